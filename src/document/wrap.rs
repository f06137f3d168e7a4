//! Lines of Chinese text: where one may end, and what may not begin the next (GB/T 15834, 标点的书写位置).

/// What may not begin a line.
const NOT_FIRST: &str = "，。、；：？！）》〉」』】〕］｝”’…—·,.;:?!)]}%％‰℃°〗";
/// What may not end one.
const NOT_LAST: &str = "（《〈「『【〔［｛“‘([{〖￥$";

/// Breaks `text` into lines of at most `width`, the first one shorter by `indent`; widths of characters by `wide`.
///
/// Latin words and numbers stay whole while they fit on a line. A line feed ends a line. At least one line comes out.
pub(super) fn lines(text: &str, width: f32, indent: f32, wide: &dyn Fn(char) -> f32) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split('\n') {
        let mut line = Line { text: String::new(), used: if found.is_empty() { indent } else { 0.0 } };
        for piece in pieces(part.trim_end_matches('\r')) {
            let long: f32 = piece.chars().map(wide).sum();
            if line.used + long <= width {
                line.push(&piece, long);
                continue;
            }
            line.end(&mut found);
            if long <= width {
                line.push(piece.trim_start_matches(' '), long);
                continue;
            }
            // No line takes it: it is cut where it must be.
            for c in piece.chars() {
                if line.used + wide(c) > width && !line.text.is_empty() {
                    line.end(&mut found);
                }
                line.push(c.encode_utf8(&mut [0; 4]), wide(c));
            }
        }
        found.push(line.text.trim_end_matches(' ').to_owned());
    }
    found
}

struct Line {
    text: String,
    used: f32,
}

impl Line {
    fn push(&mut self, piece: &str, long: f32) {
        self.text.push_str(piece);
        self.used += long;
    }

    /// Begins the next one; an empty one is none.
    fn end(&mut self, found: &mut Vec<String>) {
        if !self.text.is_empty() {
            found.push(self.text.trim_end_matches(' ').to_owned());
        }
        *self = Line { text: String::new(), used: 0.0 };
    }
}

/// The smallest pieces that stay together: a word, or a character with the punctuation that belongs to it.
fn pieces(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for c in text.chars() {
        let joined = before.is_some_and(|before| {
            NOT_FIRST.contains(c) || NOT_LAST.contains(before) || (in_word(before) && in_word(c))
        });
        match found.last_mut().filter(|last| joined && last.len() < LONGEST) {
            Some(last) => last.push(c),
            None => found.push(c.to_string()),
        }
        before = Some(c);
    }
    found
}

/// Bytes of a piece: a row of a thousand full stops is no word.
const LONGEST: usize = 120;

fn in_word(c: char) -> bool {
    c.is_ascii_graphic() || ('\u{c0}'..'\u{2000}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(c: char) -> f32 {
        if c.is_ascii() { 0.5 } else { 1.0 }
    }

    fn broken(text: &str, width: f32, indent: f32) -> Vec<String> {
        lines(text, width, indent, &wide)
    }

    #[test]
    fn chinese_breaks_anywhere_and_the_first_line_is_moved_in() {
        assert_eq!(broken("一二三四五六七八", 4.0, 2.0), ["一二", "三四五六", "七八"]);
        assert_eq!(broken("", 4.0, 2.0), [""]);
        assert_eq!(broken("一\n\n二", 4.0, 0.0), ["一", "", "二"]);
    }

    #[test]
    fn punctuation_begins_no_line_and_an_opening_bracket_ends_none() {
        assert_eq!(broken("一二三四。五", 4.0, 0.0), ["一二三", "四。五"]);
        assert_eq!(broken("一二三（四）", 4.0, 0.0), ["一二三", "（四）"]);
        assert_eq!(broken("解决率60.74%", 4.0, 0.0), ["解决率", "60.74%"]);
    }

    #[test]
    fn a_word_stays_whole_unless_no_line_takes_it() {
        assert_eq!(broken("ab cdef gh", 3.0, 0.0), ["ab", "cdef", "gh"]);
        assert_eq!(broken("abcdefghij", 2.0, 0.0), ["abcd", "efgh", "ij"]);
        assert_eq!(broken(&"。".repeat(9), 2.0, 0.0).concat(), "。".repeat(9));
    }
}
