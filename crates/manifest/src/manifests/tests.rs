mod convert;
mod examples;
mod hostile;
mod hypernodes;
mod pods;
mod rules;
