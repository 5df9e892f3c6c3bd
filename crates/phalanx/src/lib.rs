//! LLM inference for Kubernetes: one facade over the Phalanx libraries.
//!
//! Each module is a crate of its own and can be depended on alone; here each is a feature of the same name. The default
//! feature, `cli`, has them all and builds the `phalanx` command; a library user turns it off:
//!
//! ```toml
//! phalanx = { version = "0.1", default-features = false, features = ["gang"] }
//! ```
//!
//! | module | what it answers |
//! |---|---|
//! | `topology` | what the cluster looks like, and what is free in it |
//! | `gang` | where a gang of pods goes, all or nothing, or why it cannot |
//! | `kvcache` | what a KV block is, what one engine holds, who in the fleet holds a prefix |
//! | `routing` | which endpoint a request goes to, and why |
//! | `engine` | how an inference engine behaves under load |
//! | `sim` | how a fleet would do on a trace, under each policy |
//! | `serving` | what a ModelServing needs done, at any moment of its life |
//! | `manifest` | what Kubernetes and Kthena manifests say |
//! | `signals` | what engines say of themselves: metrics, KV events |
//! | `gateway` | OpenAI over HTTP, routed |
//! | `emulator` | an OpenAI server without a GPU |

#[cfg(feature = "emulator")]
#[doc(inline)]
pub use phalanx_emulator as emulator;
#[cfg(feature = "engine")]
#[doc(inline)]
pub use phalanx_engine as engine;
#[cfg(feature = "gang")]
#[doc(inline)]
pub use phalanx_gang as gang;
#[cfg(feature = "gateway")]
#[doc(inline)]
pub use phalanx_gateway as gateway;
#[cfg(feature = "kvcache")]
#[doc(inline)]
pub use phalanx_kvcache as kvcache;
#[cfg(feature = "manifest")]
#[doc(inline)]
pub use phalanx_manifest as manifest;
#[cfg(feature = "routing")]
#[doc(inline)]
pub use phalanx_routing as routing;
#[cfg(feature = "serving")]
#[doc(inline)]
pub use phalanx_serving as serving;
#[cfg(feature = "signals")]
#[doc(inline)]
pub use phalanx_signals as signals;
#[cfg(feature = "sim")]
#[doc(inline)]
pub use phalanx_sim as sim;
#[cfg(feature = "topology")]
#[doc(inline)]
pub use phalanx_topology as topology;
