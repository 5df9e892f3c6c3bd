mod convert;
mod examples;
mod hostile;
mod rules;
