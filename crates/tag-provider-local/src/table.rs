//! Tables of tab-separated text. Lines starting with `#` are comments.

use crate::files::ModelError;

/// A table, with the name of its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) file: &'static str,
    pub(crate) bytes: &'a [u8],
}

/// A line whose fields are read in order.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    file: &'static str,
    line: usize,
    fields: std::str::Split<'a, char>,
}

impl<'a> Table<'a> {
    /// The lines; at least one.
    pub(crate) fn rows(self) -> Result<Vec<Row<'a>>, ModelError> {
        let Self { file, bytes } = self;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            let reason = "it is not UTF-8".to_owned();
            ModelError::Line { file, line, reason }
        })?;
        let rows: Vec<_> = (1..)
            .zip(text.lines())
            .filter(|(_, text)| !text.starts_with('#') && !text.is_empty())
            .map(|(line, text)| Row {
                file,
                line,
                fields: text.split('\t'),
            })
            .collect();
        if rows.is_empty() {
            return Err(ModelError::Empty { file });
        }
        Ok(rows)
    }
}

impl<'a> Row<'a> {
    /// The next field; `name` is used in errors.
    pub(crate) fn field(&mut self, name: &str) -> Result<&'a str, ModelError> {
        match self.fields.next() {
            Some(field) => Ok(field),
            None => Err(self.wrong(format!("the field {name:?} is missing"))),
        }
    }

    /// The next field, which must be the row's own number.
    pub(crate) fn number(&mut self, name: &str, expected: usize) -> Result<(), ModelError> {
        let field = self.field(name)?;
        if field.parse() == Ok(expected) {
            return Ok(());
        }
        Err(self.wrong(format!("the {name} is {field:?} and should be {expected}")))
    }

    /// The next field, which must be a finite number.
    pub(crate) fn finite(&mut self, name: &str) -> Result<f64, ModelError> {
        let field = self.field(name)?;
        let number = field.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.wrong(format!("the {name} is {field:?}, not a finite number")))
    }

    /// The error for this line.
    pub(crate) fn wrong(&self, reason: String) -> ModelError {
        ModelError::Line {
            file: self.file,
            line: self.line,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(bytes: &[u8]) -> Table<'_> {
        Table {
            file: "t.tsv",
            bytes,
        }
    }

    #[test]
    fn fields_are_taken_in_turn() {
        let mut rows = table(b"# remark\n0\ta\t\n1\tb").rows().unwrap();
        assert_eq!(rows.len(), 2);
        rows[0].number("class", 0).unwrap();
        assert_eq!(rows[0].field("word").unwrap(), "a");
        assert_eq!(rows[0].field("empty").unwrap(), "");
        let error = rows[0].field("more").unwrap_err().to_string();
        assert_eq!(error, r#"t.tsv, line 2: the field "more" is missing"#);
        let error = rows[1].number("class", 2).unwrap_err().to_string();
        assert_eq!(error, r#"t.tsv, line 3: the class is "1" and should be 2"#);
    }

    #[test]
    fn invalid_table_is_an_error() {
        let error = table(b"# nothing\n").rows().unwrap_err().to_string();
        assert_eq!(error, "t.tsv has no entries");
        let error = table(b"0\ta\n1\t\xFF").rows().unwrap_err().to_string();
        assert_eq!(error, "t.tsv, line 2: it is not UTF-8");
    }
}
