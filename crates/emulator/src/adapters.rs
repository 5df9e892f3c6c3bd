//! LoRA adapters: loaded and unloaded while the engine runs, as vLLM does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::shared::Shared;

/// Names that are loaded at the most.
const MOST: usize = 1 << 16;

/// The adapters of an engine that has so many slots for them.
#[derive(Debug)]
pub(crate) struct Adapters {
    slots: u32,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    /// Where each was loaded from.
    paths: BTreeMap<String, String>,
    /// Those in a slot, the one that was used last at the end.
    used: Vec<String>,
}

/// The body of a request to load an adapter.
#[derive(Debug, Deserialize)]
struct LoadBody {
    lora_name: Option<String>,
    lora_path: Option<String>,
    #[serde(default)]
    load_inplace: bool,
}

/// The body of a request to unload one.
#[derive(Debug, Deserialize)]
struct UnloadBody {
    lora_name: Option<String>,
}

impl Adapters {
    pub(crate) fn new(slots: u32) -> Self {
        Self { slots, loaded: Mutex::default() }
    }

    /// How many can be in use at once; none when the engine takes no adapters.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().paths.contains_key(name)
    }

    /// A request for it came: it has a slot now, and the one that was not used for longest may have none.
    pub(crate) fn touch(&self, name: &str) {
        let mut loaded = self.lock();
        if loaded.paths.contains_key(name) {
            loaded.touch(name, self.slots);
        }
    }

    /// Those in a slot, by name.
    pub(crate) fn in_slots(&self) -> Vec<String> {
        let mut names = self.lock().used.clone();
        names.sort_unstable();
        names
    }

    /// Their entries in the list of models.
    pub(crate) fn entries(&self, base: &str) -> Vec<Value> {
        let entry = |(name, path): (&String, &String)| json!({ "id": name, "object": "model", "created": 0, "owned_by": "phalanx", "root": path, "parent": base });
        self.lock().paths.iter().map(entry).collect()
    }

    fn load(&self, name: String, path: String, again: bool, models: &[String]) -> Result<String, ApiError> {
        if models.contains(&name) {
            return Err(ApiError::invalid("lora_name", format!("`{name}` is the name of the model itself")));
        }
        let mut loaded = self.lock();
        if loaded.paths.contains_key(&name) && !again {
            return Err(ApiError::invalid("lora_name", format!("the adapter `{name}` is loaded; unload it first")));
        }
        if loaded.paths.len() >= MOST {
            return Err(ApiError::invalid("lora_name", format!("{MOST} adapters are loaded; unload some first")));
        }
        let told = format!("the adapter `{name}` is loaded");
        loaded.paths.insert(name.clone(), path);
        loaded.touch(&name, self.slots);
        Ok(told)
    }

    fn unload(&self, name: &str) -> Result<String, ApiError> {
        let mut loaded = self.lock();
        if loaded.paths.remove(name).is_none() {
            return Err(ApiError::unknown_adapter(name));
        }
        loaded.used.retain(|used| used != name);
        Ok(format!("the adapter `{name}` is unloaded"))
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        // No change is left half done.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    fn touch(&mut self, name: &str, slots: u32) {
        self.used.retain(|used| used != name);
        self.used.push(name.to_owned());
        let most = usize::try_from(slots).unwrap_or(usize::MAX);
        let over = self.used.len().saturating_sub(most);
        self.used.drain(..over);
    }
}

/// `POST /v1/load_lora_adapter`
pub(crate) async fn load(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<String, ApiError> {
    check_slots(&shared)?;
    let body: LoadBody = read(&body?)?;
    let name = some("lora_name", body.lora_name)?;
    let path = some("lora_path", body.lora_path)?;
    shared.adapters.load(name, path, body.load_inplace, &shared.models)
}

/// `POST /v1/unload_lora_adapter`
pub(crate) async fn unload(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<String, ApiError> {
    check_slots(&shared)?;
    let body: UnloadBody = read(&body?)?;
    shared.adapters.unload(&some("lora_name", body.lora_name)?)
}

fn check_slots(shared: &Shared) -> Result<(), ApiError> {
    if shared.adapters.slots() == 0 { Err(ApiError::unknown_path()) } else { Ok(()) }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::body(format!("the body is not a valid request: {error}")))
}

fn some(field: &'static str, value: Option<String>) -> Result<String, ApiError> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| ApiError::invalid(field, format!("`{field}` is missing")))
}
