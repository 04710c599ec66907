//! Percent-encoding, undone: what paths, queries and forms are written in. Bytes, not text.

use std::borrow::Cow;

/// Undoes percent-encoding once, and in queries and forms `+` for a blank. Nothing for a broken
/// escape.
pub(crate) fn decode(text: &[u8], is_query: bool) -> Option<Cow<'_, [u8]>> {
    let is_encoded = |byte: &u8| *byte == b'%' || (is_query && *byte == b'+');
    if !text.iter().any(is_encoded) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if is_query => b' ',
            byte => byte,
        });
    }
    Some(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_decoded_once() {
        let rows: &[(&str, bool, Option<&[u8]>)] = &[
            ("a/b", true, Some(b"a/b")),
            ("a%2Fb%2fc", false, Some(b"a/b/c")),
            ("%252f", false, Some(b"%2f")),
            ("a+b", false, Some(b"a+b")),
            ("a+b%2B", true, Some(b"a b+")),
            ("%E9%00", true, Some(b"\xe9\x00")),
            ("%", true, None),
            ("%2", true, None),
            ("%zz", true, None),
            ("%+1", true, None),
        ];
        for (text, is_query, expected) in rows {
            let decoded = decode(text.as_bytes(), *is_query);
            assert_eq!(decoded.as_deref(), *expected, "{text}");
        }
    }
}
