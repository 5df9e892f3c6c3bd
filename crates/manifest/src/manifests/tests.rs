mod convert;
mod examples;
mod hostile;
mod hypernodes;
mod rules;
