//! Against a real API server: its own etcd and kube-apiserver on loopback, and kubectl as people use it.
//!
//! The programs are looked for where `KUBEBUILDER_ASSETS` says; `cargo xtask apiserver` builds them and prints the folder.
//! Without them the tests are skipped, loudly.

mod cluster;
mod definitions;
