mod convert;
mod examples;
mod hostile;
mod hypernodes;
mod podgroups;
mod pods;
mod rules;
