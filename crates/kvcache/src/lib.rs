//! KV-cache blocks: their identity, one engine's pool, and who in a fleet holds which prefix
