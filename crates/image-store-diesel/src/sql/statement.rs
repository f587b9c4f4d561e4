//! Statements that are put together while the program runs.

use diesel::{
    QueryResult,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Double, Integer, Untyped},
};

use super::Backend;

/// How many numbers are written into one list. MariaDB makes a table of a list of a thousand, and then
/// thinks that it may walk along that.
const LISTED: usize = 500;

/// A statement, with its parameters where they are in the text.
#[derive(Debug, Default)]
pub(in super::super) struct Statement {
    parts: Vec<Part>,
    /// Whether this very text will hardly come again.
    is_unique: bool,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Int(i32),
    Long(i64),
    Number(f64),
    Bytes(Vec<u8>),
}

impl Statement {
    pub(in super::super) fn new(text: &str) -> Self {
        Self::default().sql(text)
    }

    pub(in super::super) fn sql(self, text: &str) -> Self {
        self.with(Part::Text(text.to_owned()))
    }

    pub(super) fn int(self, value: i32) -> Self {
        self.with(Part::Int(value))
    }

    pub(super) fn long(self, value: i64) -> Self {
        self.with(Part::Long(value))
    }

    pub(super) fn number(self, value: f64) -> Self {
        self.with(Part::Number(value))
    }

    pub(super) fn bytes(self, value: &[u8]) -> Self {
        self.with(Part::Bytes(value.to_vec()))
    }

    /// `column = ?`, or `column IN (1, 2)`, or several of these.
    ///
    /// Lists are written out: there are so many of them that it is not worth remembering how the
    /// database goes about each, and they need no room among the parameters.
    pub(super) fn one_of(mut self, column: &str, values: &[i32]) -> Self {
        if let [value] = values {
            return self.sql(&format!("{column} = ")).int(*value);
        }
        self.is_unique = true;
        let lists: Vec<String> = values.chunks(LISTED).map(written).collect();
        let lists = lists.join(&format!(" OR {column} IN "));
        self.sql(&format!("({column} IN {lists})"))
    }

    /// This statement will hardly come again: the database need not remember it.
    pub(super) fn unique(self) -> Self {
        Self {
            is_unique: true,
            ..self
        }
    }

    /// The other statement after this one.
    pub(in super::super) fn then(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.is_unique |= other.is_unique;
        self
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

fn written(values: &[i32]) -> String {
    let values: Vec<String> = values.iter().map(i32::to_string).collect();
    format!("({})", values.join(", "))
}

impl QueryFragment<Backend> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        if self.is_unique {
            out.unsafe_to_cache_prepared();
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_sql(text),
                Part::Int(value) => out.push_bind_param::<Integer, _>(value)?,
                Part::Long(value) => out.push_bind_param::<BigInt, _>(value)?,
                Part::Number(value) => out.push_bind_param::<Double, _>(value)?,
                Part::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}
