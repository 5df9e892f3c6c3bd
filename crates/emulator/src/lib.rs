//! An OpenAI server without a GPU: phalanx-engine on real time
