//! Floating-point numbers as C's shortest `%g` writes them.

/// Writes a number: fixed point for exponents from -4 to 5, else with an exponent of at least two digits.
pub(super) fn format(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (-4..MAX_FIXED).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Go's precision for the decision when it writes as few digits as possible.
const MAX_FIXED: i32 = 6;
