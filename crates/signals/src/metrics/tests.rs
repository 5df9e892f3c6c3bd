use proptest::prelude::*;

use super::*;

fn read(page: &str) -> EngineMetrics {
    EngineMetrics::read(page.as_bytes())
}

#[test]
fn a_page_of_vllm() {
    let metrics = EngineMetrics::read(include_bytes!("../../tests/data/vllm.txt"));
    let seconds = Duration::from_secs_f64;
    let expected = EngineMetrics {
        waiting: Some(2),
        running: Some(8),
        kv_used_ppm: Some(2197),
        block_size: Some(32),
        blocks: Some(32_768),
        first_token: Some(Observed { count: 13, total: seconds(0.983_695_030_212_402_3) }),
        inter_token: Some(Observed { count: 843, total: seconds(2.896_632_414_998_748_6) }),
        adapters: None,
        bad_lines: 0,
    };
    assert_eq!(metrics, expected);
}

#[test]
fn every_engine_has_its_names() {
    let sglang = "sglang:num_queue_reqs{tp_rank=\"0\"} 3.0\nsglang:num_running_reqs 4\nsglang:token_usage 0.5\n\
                  sglang:cache_config_info{page_size=\"64\",num_pages=\"100\"} 1.0\n";
    let trtllm = "trtllm_num_requests_waiting 3\ntrtllm_num_requests_running 4\ntrtllm_kv_cache_utilization 0.5\n\
                  trtllm_kv_cache_tokens_per_block 64\ntrtllm_kv_cache_max_blocks 100\n";
    let triton = "nv_trt_llm_request_metrics{model=\"a\",request_type=\"waiting\",version=\"1\"} 3\n\
                  nv_trt_llm_request_metrics{request_type=\"scheduled\"} 4\n\
                  nv_trt_llm_request_metrics{request_type=\"max\"} 512\n\
                  nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\"} 0.5\n\
                  nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"tokens_per\"} 64\n\
                  nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"max\"} 100\n";
    let older = "vllm:num_requests_waiting 3\nvllm:num_requests_running 4\nvllm:gpu_cache_usage_perc 0.5\n\
                 vllm:cache_config_info{block_size=\"64\",num_gpu_blocks=\"100\"} 1.0\n";
    for page in [sglang, trtllm, triton, older] {
        let metrics = read(page);
        let told = (metrics.waiting, metrics.running, metrics.kv_used_ppm, metrics.block_size, metrics.blocks);
        assert_eq!(told, (Some(3), Some(4), Some(500_000), Some(64), Some(100)), "{page}");
        assert_eq!(metrics.bad_lines, 0, "{page}");
    }
}

#[test]
fn ranks_add_up_and_an_older_name_is_not_counted_twice() {
    let metrics = read(
        "vllm:num_requests_running{engine=\"0\"} 1\nvllm:num_requests_running{engine=\"1\"} 2\n\
         vllm:kv_cache_usage_perc{engine=\"0\"} 0.2\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.4\n\
         vllm:gpu_cache_usage_perc{engine=\"0\"} 0.9\n\
         vllm:inter_token_latency_seconds_sum 2\nvllm:inter_token_latency_seconds_count 4\n\
         vllm:time_per_output_token_seconds_sum 2\nvllm:time_per_output_token_seconds_count 4\n",
    );
    assert_eq!((metrics.running, metrics.kv_used_ppm), (Some(3), Some(300_000)));
    assert_eq!(metrics.inter_token, Some(Observed { count: 4, total: Duration::from_secs(2) }));
}

#[test]
fn the_newest_word_on_adapters_counts() {
    let info = |running: &str, at: &str| {
        format!(
            "vllm:lora_requests_info{{max_lora=\"4\",running_lora_adapters=\"{running}\",waiting_lora_adapters=\"\"}} {at}\n"
        )
    };
    let page = [info("old", "1.7e9"), info("a, b\\\"c", "1.8e9"), info("older", "1.6e9")].concat();
    let adapters = read(&page).adapters.expect("told");
    assert_eq!(adapters.running, ["a", "b\"c"]);
    assert_eq!((adapters.waiting.len(), adapters.slots), (0, Some(4)));
}

#[test]
fn what_cannot_be_is_unknown_and_counted() {
    for value in ["NaN", "+Inf", "-Inf", "-1", "1e999", "x", ""] {
        let metrics = read(&format!("vllm:num_requests_waiting {value}\nvllm:num_requests_running 1\n"));
        assert_eq!((metrics.waiting, metrics.running, metrics.bad_lines), (None, Some(1), 1), "{value}");
    }
    let lines = ["{} 1", "1a 1", "vllm:num_requests_waiting{a=\"}\" 1", "vllm:num_requests_waiting", "\u{fc} 1"];
    for line in lines {
        assert_eq!(read(line).bad_lines, 1, "{line}");
        assert!(!read(line).is_of_an_engine());
    }
    // Braces and blanks within quotes, a time behind the value, an exemplar, an end.
    let fine = "vllm:num_requests_waiting{a=\"}\\\" {\"} 3 1395066363000 # {b=\"c\"} 1\nother{ x\n# EOF\n\r\n";
    assert_eq!((read(fine).waiting, read(fine).bad_lines), (Some(3), 0));
    assert_eq!(read("vllm:num_requests_waiting 1e300").waiting, Some(u32::MAX));
    assert_eq!(read("vllm:kv_cache_usage_perc 1.7").kv_used_ppm, Some(1_000_000));
}

#[test]
fn times_are_recent_or_unknown() {
    let mut meter = Meter::new();
    let mut at = |second, count, total| {
        let observed = Observed { count, total: Duration::from_secs(total) };
        let metrics = EngineMetrics { inter_token: Some(observed), ..EngineMetrics::default() };
        meter.signals(&metrics, Duration::from_secs(second)).tpot.map(|mean| mean.as_secs())
    };
    assert_eq!([at(0, 5, 50), at(1, 7, 54), at(20, 7, 54), at(31, 7, 54)], [None, Some(2), Some(2), Some(2)]);
    assert_eq!(at(32, 7, 54), None, "nothing was observed for more than 30 seconds");
    assert_eq!(at(33, 3, 9), Some(3), "it began anew");
}

proptest! {
    #[test]
    fn any_bytes_are_a_page(page: Vec<u8>) {
        let _ = EngineMetrics::read(&page);
    }

    #[test]
    fn any_values_and_labels_keep_the_bounds(
        lines in prop::collection::vec(("(vllm:kv_cache_usage_perc|vllm:num_requests_waiting)", "[{}=\",a ]{0,12}", any::<f64>()), 0..20),
    ) {
        let page: String = lines.iter().map(|(name, labels, value)| format!("{name}{labels} {value}\n")).collect();
        prop_assert!(read(&page).kv_used_ppm.is_none_or(|ppm| ppm <= 1_000_000));
    }
}
