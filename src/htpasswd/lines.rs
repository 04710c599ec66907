//! The lines of a file that can hold a user, by the same rules for reading and for editing.

/// A line that is neither blank nor a comment.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The line's number, from 1.
    pub number: u64,
    /// The line without what marks its start and end.
    pub text: &'a [u8],
}

impl<'a> Line<'a> {
    /// What stands before the first colon.
    pub fn name(&self) -> Option<&'a [u8]> {
        name(self.text)
    }
}

/// The lines of a file that hold a user, or try to.
pub fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    pieces(file)
        .zip(1..)
        .filter(|(piece, _)| piece.is_entry())
        .map(|(piece, number)| Line {
            number,
            text: piece.text,
        })
}

/// Any line, with every byte of it.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The byte-order mark, on the first line of some files.
    pub(super) mark: &'a [u8],
    pub(super) text: &'a [u8],
    /// LF, CRLF, or nothing on a last line.
    pub(super) end: &'a [u8],
}

impl<'a> Piece<'a> {
    fn is_entry(&self) -> bool {
        !self.text.starts_with(b"#") && !self.text.trim_ascii().is_empty()
    }

    /// The name of the user whose line this is.
    pub(super) fn name(&self) -> Option<&'a [u8]> {
        self.is_entry().then(|| name(self.text)).flatten()
    }
}

/// All lines of a file. Together they are the file.
pub(super) fn pieces(file: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mark = file.get(..BYTE_ORDER_MARK.len());
    let mut mark = mark.filter(|mark| *mark == BYTE_ORDER_MARK);
    file.split_inclusive(|byte| *byte == b'\n')
        .map(move |whole| {
            let mark = mark.take().unwrap_or_default();
            let rest = whole.strip_prefix(mark).unwrap_or(whole);
            let text = rest.strip_suffix(b"\n").unwrap_or(rest);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let end = rest.strip_prefix(text).unwrap_or_default();
            Piece { mark, text, end }
        })
}

fn name(text: &[u8]) -> Option<&[u8]> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    text.get(..colon)
}

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
