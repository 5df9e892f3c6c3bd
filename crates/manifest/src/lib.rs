//! Kubernetes and Kthena manifests: parsing with places, validation, and conversion to the pure crates' types
