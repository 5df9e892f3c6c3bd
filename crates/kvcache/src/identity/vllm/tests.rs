//! vLLM's names against those of a real engine, and against vectors of its own functions.
//!
//! The vectors were made by C Python 3.11 with `pickle`, cbor2 6.3 and xxhash, on the keys that vLLM 0.32 puts together.

use super::*;

const ALL: [VllmAlgorithm; 4] =
    [VllmAlgorithm::Sha256, VllmAlgorithm::Sha256Cbor, VllmAlgorithm::Xxhash, VllmAlgorithm::XxhashCbor];

fn hasher(size: u32, algorithm: VllmAlgorithm, seed: &str) -> VllmHasher {
    VllmHasher::new(BlockSize::new(size).expect("a valid size"), algorithm, seed)
}

/// The seeds of the vectors.
fn seeded(size: u32, algorithm: VllmAlgorithm) -> VllmHasher {
    match algorithm {
        VllmAlgorithm::Sha256 | VllmAlgorithm::Sha256Cbor => hasher(size, algorithm, VllmHasher::DEFAULT_SEED),
        VllmAlgorithm::Xxhash | VllmAlgorithm::XxhashCbor => hasher(size, algorithm, "0"),
    }
}

fn check(digests: impl IntoIterator<Item = VllmDigest>, expected: &[&str]) {
    let got: Vec<String> = digests.into_iter().map(|digest| digest.to_string()).collect();
    assert_eq!(got, expected);
}

/// The digests of one block under all four algorithms.
fn check_all(tokens: &[u32], extras: &[VllmExtra<'_>], bare: bool, expected: [&str; 4]) {
    let digest = |algorithm| {
        let hasher = seeded(16, algorithm);
        let hasher = if bare { hasher.with_bare_keys() } else { hasher };
        hasher.digest_block(None, tokens, extras)
    };
    check(ALL.map(digest), &expected);
}

fn first() -> Vec<u32> {
    (0..16).collect()
}

#[test]
fn roots() {
    check(
        ALL.map(|algorithm| seeded(1, algorithm).root()),
        &[
            "066b1e8987e027138e98701c46128929378935f9b6cd1549105ae6b4f0d71198",
            "9bd96a485ad84efdafb72ee48a1d7a69bcead0f8f0433173941b276b9581eef0",
            "6fb31cc38bba6066183f7f2104b9c051",
            "1ebe36576dcb573f26b99533a20aaeca",
        ],
    );
    let zero = hasher(1, VllmAlgorithm::Sha256Cbor, "0").root();
    check([zero], &["4e1195df020de59e0d65a33a4279f1183e7ae4e5d980e309f8b55adff2e61c3e"]);
}

#[test]
fn two_blocks() {
    let tokens: Vec<u32> = (0..16).chain(1000..1016).chain([7; 15]).collect();
    let expected = [
        [
            "fe8fa5dda3210d0ca2031e37cbe3b001186773cd1c710beb2d45fcb51d434798",
            "0dbacfbef4c198d05669a1196fda3c6cc9b72d13839d37dd3265f6d03827e0ac",
        ],
        [
            "dc918a88b139e5afe60b88eda27508d4aee16c10fdc354791efea06206ac0749",
            "9401c2b375d6eca6f066c4258df430e87e46f6abed1c7520be6e288507fc9c2c",
        ],
        ["8ef953407c0da43eacbb3639ed2bff4d", "7dd345f6c3abed4ca42a2a34ddd04b56"],
        ["209f5d549fc07c8e39d823615ede61ce", "87d074da314383304ee0a0b3e69dafc9"],
    ];
    for (algorithm, expected) in ALL.into_iter().zip(expected) {
        let mut digests = Vec::new();
        seeded(16, algorithm).digests_into(&tokens, &VllmKeys::new(), &mut digests);
        check(digests, &expected);
    }
    let hasher = hasher(16, VllmAlgorithm::Sha256Cbor, VllmHasher::DEFAULT_SEED);
    let identities = hasher.hash_tokens(&tokens, &VllmKeys::new());
    assert_eq!(identities, [BlockHash(2233398808101521225), BlockHash(13721949666474236972)]);
}

#[test]
fn a_salt() {
    check_all(
        &first(),
        &[VllmExtra::Salt("s1")],
        false,
        [
            "b74b8848c4b44dc0baf43d1135dd783777a8016db0e723a361860f8df659b6e4",
            "37a188ca0f395fb17edb7613ec9f0f06e16dd32556cf8209ea1772c6a9134909",
            "9fcd8f7ca304b073f732991103a245f0",
            "db5d35398e7b0f443b9c6b99dad017de",
        ],
    );
}

#[test]
fn an_adapter() {
    check_all(
        &first(),
        &[VllmExtra::Lora { name: "ad", path: "/p" }],
        false,
        [
            "491bb593354eea22c3b578f6f37d3ffcd57f4ec26d2cba211abb737be91e81fd",
            "fb236acd235f94fba3221528fb4ca8161bc834a5a28802c5f9d3210ce8af86d8",
            "9e402a070ba65f9ec3a54a8fd2354ae8",
            "a2fb21deb296d9111297d8083d769d7d",
        ],
    );
    let hasher = hasher(16, VllmAlgorithm::Sha256Cbor, VllmHasher::DEFAULT_SEED);
    let digest = hasher.digest_block(None, &first(), &[VllmExtra::Lora { name: "a", path: "/p" }]);
    check([digest], &["dea73d43f6fa465bdab1e561e4fc44827e9499cc79b48f30ce48f67c0f2d8299"]);
}

/// Every kind of key, two of the same kind, and token ids of all widths.
#[test]
fn all_keys_tagged_and_bare() {
    let embeds = core::array::from_fn(|byte| byte as u8);
    let extras = [
        VllmExtra::Lora { name: "ad", path: "/p" },
        VllmExtra::Media { identifier: "img1", offset: Some(-3) },
        VllmExtra::Media { identifier: "img2", offset: Some(300) },
        VllmExtra::Salt("sä"),
        VllmExtra::PromptEmbeds(&embeds),
    ];
    let tokens = [70_000, i32::MAX.cast_unsigned(), 1 << 31, u32::MAX];
    check_all(
        &tokens,
        &extras,
        false,
        [
            "1bed8532785e5606f15520427cae7688f22a8a1e799bd3cd3c752dc028e833d0",
            "7bc3a98018c8a848d571dd78c2583a90ee8c4cf4aa97e980eacb0b54fe16ade4",
            "6a5713ad465a288a07241d12c4118eab",
            "3fb4bc73b3a047569bde3cf78dab1e0b",
        ],
    );
    check_all(
        &tokens,
        &extras,
        true,
        [
            "4aae611127a8c75cce0ed7c8f6a75b9d61c05c171aec3fbea09f13b67fb78174",
            "561b45374451461ea594d16e24a0f2e9861fba6a84b44661b1f7d65c60ae02c5",
            "0492b82cb588e90d5fca0aa9a23ad3da",
            "e4de4a7c93bcbcb094b66f613464be26",
        ],
    );
}

/// Short tuples have opcodes of their own, and the longest block needs more bytes than one byte counts.
#[test]
fn sizes() {
    let expected = [
        "1876a790824e1c62cc68ce0472a1542ccc7bf2d1d5c9e53827fc516bb9f88601",
        "66db7535153fbbe3e336f2586c6246706bd213d5680ce68709abac0acabe3d24",
        "11222bda924e6f5b065e26e0d6fcf5ed3af84fad32aabe5aa2d440a7b89eed44",
        "9da1c53089c000ad1a79a77c143b68dda00e2a85315bc1f690bbd03ba4a195dd",
    ];
    let first = first();
    check((1..=4).map(|size| seeded(size as u32, ALL[0]).digest_block(None, &first[..size], &[])), &expected);
    let expected = [
        "493f37dcda994a276ed9f9f27341b870a0da995cb22a36dc0e43fbf55d0cd662",
        "9e4fcb919c9ac73859efa3883ea6dc08de80652cdde02379a5cb1d6f62230cfe",
        "de53cd63287368d9f8dccd26856a766f5b9ac89ada1ee1f4be519c879cc7b6e3",
        "c49ab11fb576db6f376aef58c24f728a0ba1807e8cac5f940f1a5c4c20741898",
    ];
    check((1..=4).map(|size| seeded(size as u32, ALL[1]).digest_block(None, &first[..size], &[])), &expected);
    let big: Vec<u32> = (0..4096u32).map(|at| at.wrapping_mul(2_654_435_761)).collect();
    check_all(
        &big,
        &[],
        false,
        [
            "8c41e3d77369f8454df5d766395831d1d28e0fbf3e4531e7524961c6cb40ade9",
            "badeb90da26814c693ba15c3a8580d181c1a4cf825f7a628f596f1c8120ce198",
            "bc7b0bb9ddb4bc4f301d141813868c8c",
            "aa50bbc3b0e0a1c54bbf6d85aeb6b133",
        ],
    );
}

/// Pickle closes a frame of 64 KiB, and puts longer texts outside of frames.
#[test]
fn long_keys() {
    let (some, large) = ("x".repeat(300), "x".repeat(70_000));
    check_all(
        &first(),
        &[VllmExtra::Salt(&some)],
        false,
        [
            "35bf541a3e92167af68ce5ff92db0936c8d86b86b9e01c49c1f55cc05d9cf9cd",
            "f5d9610807b84e5c852d57117c55fc08d9342e7a10afe4378e90d23e510b9f9f",
            "69d3b8519e6c8d245a843f79cffa5689",
            "f79b6c405c9140d2ee4c648471aa50c7",
        ],
    );
    check_all(
        &first(),
        &[VllmExtra::Salt(&large)],
        false,
        [
            "f1205231ca9da37082cd8f7f2b9cbff9f7e54c01faebe824e497623d7bf35b61",
            "0ad0b4ef0a01614b300c89610225e40c989954079593754aefda5dd644e25f5f",
            "6067f5b215d0eddae7c00306b591a295",
            "3988594bb2a089adfe311efb6e9d17f5",
        ],
    );
    let names: Vec<String> = (0..5).map(|at| format!("image-{at}{}", "y".repeat(30_000))).collect();
    let media: Vec<VllmExtra<'_>> = (0i64..)
        .zip(&names)
        .map(|(offset, identifier)| VllmExtra::Media { identifier, offset: Some(offset) })
        .collect();
    check_all(
        &first(),
        &media,
        false,
        [
            "e004ac48d1b41513357a63b591b1587f3fe5b09dac870d7eec06a52d20e6ce48",
            "bd1e96f104cc83962a3ad6a9bc7ba21ea8d01f149e98f015e2c08c600a0f60c5",
            "763a3d8c5b00047389da2ff89d29bc14",
            "7d9ef36bf3d47faa0f01afe2ee76c554",
        ],
    );
}

#[test]
fn offsets_of_all_widths() {
    let offsets = [("i", -0x8000_0000), ("j", -0x8000_0001), ("k", 1 << 40), ("l", -200)];
    let media = offsets.map(|(identifier, offset)| VllmExtra::Media { identifier, offset: Some(offset) });
    check_all(
        &first(),
        &media,
        false,
        [
            "b5a813863fa2349f9fb30dd3566117459673fa3e3f411220b4116a2cb98a0f5c",
            "a6dcf0d3cac0396e2b0362bf6f367d9e4ffdc39c4b1bc585f925f79e1ba64634",
            "3da249e6e80340935c3b6a618e2107b2",
            "6942a08d7628268a3408b335dc471ea8",
        ],
    );
}

/// What an engine of vLLM 0.32 with its default settings put into its events (block size 32, one byte a token).
#[test]
fn a_real_engine() {
    let sentence = [
        51, 71, 68, 220, 80, 84, 72, 66, 74, 220, 65, 81, 78, 86, 77, 220, 69, 78, 87, 220, 73, 84, 76, 79, 82, 220,
        78, 85, 68, 81, 220, 83, 71, 68, 220, 75, 64, 89, 88, 220, 67, 78, 70, 13, 220,
    ];
    let prompt: Vec<u32> =
        sentence.into_iter().cycle().take(180).chain([347, 220].into_iter().cycle().take(12)).collect();
    let hasher = hasher(32, VllmAlgorithm::Sha256, VllmHasher::DEFAULT_SEED);
    assert_eq!(
        hasher.hash_tokens(&prompt, &VllmKeys::new()),
        [
            BlockHash(14798706819249504058),
            BlockHash(8374465613088300385),
            BlockHash(13563354614739098320),
            BlockHash(14094271105116348488),
            BlockHash(13603594538057424860),
            BlockHash(14475215955943519627),
        ]
    );
    let salted = [
        82, 64, 75, 83, 68, 67, 220, 79, 81, 78, 76, 79, 83, 220, 86, 72, 83, 71, 220, 64, 83, 220, 75, 68, 64, 82, 83,
        220, 83, 71, 72, 81,
    ];
    assert_eq!(hasher.hash_tokens(&salted, &VllmKeys::new().salt("tenantA")), [BlockHash(58345563988385579)]);
}

#[test]
fn keys_go_to_the_blocks_that_they_concern() {
    let media = [
        VllmMedia { identifier: "a", offset: 1, length: 4 },
        VllmMedia { identifier: "b", offset: 5, length: 1 },
        VllmMedia { identifier: "c", offset: 7, length: 6 },
    ];
    let embeds = [[1; 32], [2; 32]];
    let keys = VllmKeys::new().lora("n", "p").salt("s").media(&media).prompt_embeds(&embeds);
    let of = |block| {
        let mut extras = vec![VllmExtra::Salt("left over")];
        keys.of_block(block, 4, &mut extras);
        extras
    };
    let lora = VllmExtra::Lora { name: "n", path: "p" };
    let media = |identifier, offset| VllmExtra::Media { identifier, offset: Some(offset) };
    assert_eq!(of(0), [lora, media("a", 1), VllmExtra::Salt("s"), VllmExtra::PromptEmbeds(&embeds[0])]);
    let second = [lora, media("a", -3), media("b", 1), media("c", 3), VllmExtra::PromptEmbeds(&embeds[1])];
    assert_eq!(of(1), second);
    assert_eq!(of(2), [lora, media("c", -1)]);
    assert_eq!(of(3), [lora, media("c", -5)]);
    assert_eq!(of(4), [lora]);
    assert_eq!(of(usize::MAX / 8), [lora]);
}

#[test]
fn a_root_of_ones_own_and_what_is_none() {
    let root = VllmDigest::new(&[3; 16]).expect("16 bytes");
    let own = hasher(2, VllmAlgorithm::Xxhash, "0").with_root(root);
    assert_eq!(own.digest_block(None, &[1, 2], &[]), own.digest_block(Some(&root), &[1, 2], &[]));
    assert_eq!(VllmDigest::new(&[3; 31]), Err(VllmDigestError { bytes: 31 }));
    assert_eq!(root.as_bytes().len(), 16);
    assert_eq!(format!("{root:?}"), format!("VllmDigest({})", "03".repeat(16)));
    assert_eq!(VllmDigest::new(&[3; 32]).map(|long| long.as_bytes().len()), Ok(32));
}
