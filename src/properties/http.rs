//! What nginx hands over: credentials, and what the log shows of a request.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use log::Record;

use super::fields;
use crate::observe::{audit, logging};
use crate::request::credentials::Presented;
use crate::request::{Field, Request};
use crate::verdict::Reason;

/// `Authorization`: what is read is what another reader finds there, without a control character,
/// and reads the same when it is written again. What a client encodes arrives.
pub fn credentials(data: &[u8]) {
    let read = |header: &[u8]| match Presented::parse(Field::One(header)) {
        Presented::Credentials(it) => Some((it.claimed().to_vec(), it.password().to_vec())),
        Presented::Nothing | Presented::Malformed(..) => None,
    };
    if let Some((name, password)) = read(data) {
        let pair = [&name[..], b":", &password].concat();
        assert_eq!(Some(&pair), decode(data).as_ref(), "another reader");
        assert!(!name.contains(&b':') && !pair.iter().any(u8::is_ascii_control));
        assert_eq!(read(&encode(&pair)), Some((name, password)));
    }
    let fits = data.len() < 200 && !data.iter().any(u8::is_ascii_control);
    if let (true, Some(colon)) = (fits, data.iter().position(|byte| *byte == b':')) {
        let expected = (data[..colon].to_vec(), data[colon + 1..].to_vec());
        let expected = Some(expected).filter(|(name, _)| !name.is_empty());
        let read = read(&encode(data)).filter(|(name, _)| !name.is_empty());
        assert_eq!(read, expected);
    }
}

fn encode(pair: &[u8]) -> Vec<u8> {
    format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes()
}

/// The bytes of `basic`'s Base64, six bits at a time.
fn decode(header: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (scheme, rest) = header.split_at_checked(5)?;
    let (mut bits, mut count, mut decoded) = (0u32, 0, Vec::new());
    let rest = rest.trim_ascii();
    let end = rest.iter().rposition(|byte| *byte != b'=')? + 1;
    for byte in &rest[..end] {
        let six = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = bits << 6 | u32::try_from(six).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    scheme.eq_ignore_ascii_case(b"basic").then_some(decoded)
}

/// A line of the log is one line of visible ASCII that begins with the address, has each field
/// once, in order, and no password; as JSON it means what was sent.
pub fn log(data: &[u8]) {
    let [name, password, method, uri, user_agent, id, address] = fields(data);
    let password = format!("secret-{}", BASE64_STANDARD.encode(password));
    // A client may of course send it as its User-Agent.
    let is_elsewhere = data
        .windows(password.len())
        .any(|it| it == password.as_bytes());
    let authorization = encode(&[name, b":", password.as_bytes()].concat());
    let request = Request {
        authorization: Field::One(&authorization),
        user_agent: Field::One(user_agent),
        method: Field::One(method),
        uri: Field::One(uri),
        real_ip: Field::One(address),
        id: Field::One(id),
        ..Request::default()
    };
    let line = audit::line(&request, Reason::BadCredentials, None);
    let pairs: Vec<_> = line.iter().map(|(key, text)| (*key, &text[..])).collect();
    let mut record = Record::builder();
    let record = record.key_values(&pairs).args(format_args!("")).build();

    let mut text = Vec::new();
    logging::write_text(&mut text, &record).unwrap();
    let text = String::from_utf8(text).unwrap();
    let json = logging::json(&record);
    for line in [text.strip_suffix('\n').unwrap(), &json] {
        assert!(
            line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{line}"
        );
        assert!(is_elsewhere || !line.contains(&password), "{line}");
    }
    let keys: Vec<_> = line.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(logfmt_keys(&text), keys, "{text}");
    assert_eq!(keys[0], "address");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for (key, text) in line {
        assert_eq!(json[key], text, "{key}");
    }
}

/// The keys of a line in logfmt; nothing in quotes is a key.
fn logfmt_keys(line: &str) -> Vec<String> {
    let (mut keys, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => (),
            ' ' => word.clear(),
            '=' => keys.push(word.clone()),
            _ => word.push(c),
        }
    }
    keys
}
