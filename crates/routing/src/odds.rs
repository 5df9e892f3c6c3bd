//! Draws in which some have better odds, in whole numbers.

/// A whole, as [`exp`] counts it.
pub(crate) const WHOLE: u64 = 1 << 32;
/// The binary logarithm of e, in parts of 2^32.
const LOG2_E: u128 = 6_196_328_019;
/// `2^(-2^-k)` for k from 1, in parts of 2^62.
const ROOTS: [u64; 32] = {
    let mut roots = [0; 32];
    // The root of one half, and then each the root of the one before.
    let mut last: u64 = 1 << 61;
    let mut at = 0;
    while at < roots.len() {
        last = ((last as u128) << 62).isqrt() as u64;
        roots[at] = last;
        at += 1;
    }
    roots
};

/// `exp(-x)` in parts of [`WHOLE`], rounded down, for `x` in parts of it too. Off by less than two parts.
pub(crate) fn exp(x: u128) -> u64 {
    if x >= u128::from(WHOLE) * 23 {
        return 0;
    }
    // Two to the minus y: the fraction bit by bit, then the whole.
    let y = (x * LOG2_E) >> 32;
    let mut product: u64 = 1 << 62;
    for (root, bit) in ROOTS.iter().zip((0..32).rev()) {
        if y >> bit & 1 == 1 {
            product = ((u128::from(product) * u128::from(*root)) >> 62) as u64;
        }
    }
    (product >> 30) >> (y >> 32)
}

/// Weights of costs under a temperature in thousandths: see [`Picker::Softmax`](crate::Picker::Softmax).
pub(crate) fn softmax(costs: &[i64], permille: u32, weights: &mut Vec<u64>) {
    let ends = |(least, most): (i64, i64), &cost: &i64| (least.min(cost), most.max(cost));
    let (least, most) = costs.iter().fold((i64::MAX, i64::MIN), ends);
    let range = i128::from(most) - i128::from(least);
    let whole = range.max(1) as u128 * u128::from(permille.max(1));
    let weight = |&cost: &i64| exp((((i128::from(cost) - i128::from(least)) as u128) << 32) * 1000 / whole);
    weights.clear();
    weights.extend(costs.iter().map(weight));
}

/// Weights of costs that are scores below 0; all the same where nobody has a score.
pub(crate) fn by_score(costs: &[i64], weights: &mut Vec<u64>) {
    weights.clear();
    let none = costs.iter().all(|cost| *cost >= 0);
    weights.extend(costs.iter().map(|cost| if none { 1 } else { cost.saturating_neg().max(0) as u64 }));
}

/// Whose share of the sum of all weights has a number below that sum in it.
pub(crate) fn place(weights: &[u64], mut drawn: u64) -> usize {
    let of = weights.iter().position(|weight| {
        let is_it = drawn < *weight;
        drawn = drawn.saturating_sub(*weight);
        is_it
    });
    of.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_libraries() {
        for step in 0..2300_u32 {
            let x = f64::from(step) / 100.0 + 0.001;
            let found = exp((x * WHOLE as f64) as u128) as f64;
            let expected = (-x).exp() * WHOLE as f64;
            assert!((found - expected).abs() < 2.0, "exp(-{x}): {found} for {expected}");
        }
        assert_eq!((exp(0), exp(u128::MAX)), (WHOLE, 0));
    }

    #[test]
    fn softmax_is_over_the_range() {
        let mut weights = Vec::new();
        // At 0.5: exp(0), exp(-1), exp(-2), whatever the unit.
        for unit in [1, 1000, 1 << 50] {
            softmax(&[7 * unit, 8 * unit, 9 * unit], 500, &mut weights);
            assert_eq!(weights, [4_294_967_296, 1_580_030_168, 581_260_615], "{unit}");
        }
        softmax(&[5, 5], 1, &mut weights);
        assert_eq!(weights, [WHOLE, WHOLE]);
        softmax(&[-(1 << 60), 1 << 60], 1_000_000, &mut weights);
        assert_eq!(weights[0], WHOLE);
    }

    #[test]
    fn each_has_its_share() {
        let weights = [2, 0, 3];
        assert_eq!([0, 1, 2, 3, 4].map(|drawn| place(&weights, drawn)), [0, 0, 2, 2, 2]);
        let mut weights = Vec::new();
        by_score(&[-5, 0, -7], &mut weights);
        assert_eq!(weights, [5, 0, 7]);
        by_score(&[0, 0], &mut weights);
        assert_eq!(weights, [1, 1]);
    }
}
