//! The names under which engines tell what is looked at here.

/// What a sample tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Waiting,
    Running,
    /// Share of the KV memory in use, from 0 to 1.
    Used(Age),
    /// Labels that tell of the KV memory: the size of a block, and how many there are.
    Memory {
        size: &'static [u8],
        count: &'static [u8],
    },
    BlockSize,
    Blocks,
    FirstToken(Part),
    InterToken(Age, Part),
    /// vLLM's adapters, in labels; the value is the time at which it was so.
    Adapters,
    /// Triton's requests, by a label.
    TritonRequests,
    /// Triton's KV memory, by a label.
    TritonMemory,
}

/// Of two names for one thing, which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Now = 0,
    /// Only looked at where the name of today is missing.
    Older = 1,
}

/// Which part of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Count,
    Sum,
}

/// What samples of this name tell, if that is asked for.
pub(super) fn family(name: &[u8]) -> Option<Family> {
    use Age::{Now, Older};
    use Part::{Count, Sum};

    Some(match name {
        b"vllm:num_requests_waiting" | b"sglang:num_queue_reqs" | b"trtllm_num_requests_waiting" => Family::Waiting,
        b"vllm:num_requests_running" | b"sglang:num_running_reqs" | b"trtllm_num_requests_running" => Family::Running,
        b"vllm:kv_cache_usage_perc" | b"sglang:token_usage" | b"trtllm_kv_cache_utilization" => Family::Used(Now),
        b"vllm:gpu_cache_usage_perc" => Family::Used(Older),
        b"vllm:cache_config_info" => Family::Memory { size: b"block_size", count: b"num_gpu_blocks" },
        b"sglang:cache_config_info" => Family::Memory { size: b"page_size", count: b"num_pages" },
        b"trtllm_kv_cache_tokens_per_block" => Family::BlockSize,
        b"trtllm_kv_cache_max_blocks" => Family::Blocks,
        b"vllm:time_to_first_token_seconds_count" | b"sglang:time_to_first_token_seconds_count" => {
            Family::FirstToken(Count)
        }
        b"vllm:time_to_first_token_seconds_sum" | b"sglang:time_to_first_token_seconds_sum" => Family::FirstToken(Sum),
        b"vllm:inter_token_latency_seconds_count" | b"sglang:inter_token_latency_seconds_count" => {
            Family::InterToken(Now, Count)
        }
        b"vllm:inter_token_latency_seconds_sum" | b"sglang:inter_token_latency_seconds_sum" => {
            Family::InterToken(Now, Sum)
        }
        b"vllm:time_per_output_token_seconds_count" | b"sglang:time_per_output_token_seconds_count" => {
            Family::InterToken(Older, Count)
        }
        b"vllm:time_per_output_token_seconds_sum" | b"sglang:time_per_output_token_seconds_sum" => {
            Family::InterToken(Older, Sum)
        }
        b"vllm:lora_requests_info" => Family::Adapters,
        b"nv_trt_llm_request_metrics" => Family::TritonRequests,
        b"nv_trt_llm_kv_cache_block_metrics" => Family::TritonMemory,
        _ => return None,
    })
}
