//! Statements built at run time.

use std::marker::PhantomData;

use diesel::{
    QueryResult,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Double, Integer, Untyped},
};

use super::Backend;

/// How many values are written into one list. MariaDB materialises a list of a thousand, and then considers
/// scanning it.
pub(super) const LISTED: usize = 500;

/// A statement, with its parameters in text order.
#[derive(Debug, Default)]
pub(in super::super) struct Statement {
    parts: Vec<Part>,
    /// Whether this exact text is unlikely to recur.
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
    /// Lists are inlined: they are too many to cache a plan for each, and they take no parameters.
    pub(super) fn one_of(mut self, column: &str, values: &[i32]) -> Self {
        if let [value] = values {
            return self.sql(&format!("{column} = ")).int(*value);
        }
        self.is_unique = true;
        let lists: Vec<String> = values.chunks(LISTED).map(written).collect();
        let lists = lists.join(&format!(" OR {column} IN "));
        self.sql(&format!("({column} IN {lists})"))
    }

    /// Marks the statement as unlikely to recur, so that it is not cached.
    pub(super) fn unique(self) -> Self {
        Self {
            is_unique: true,
            ..self
        }
    }

    /// Appends another statement.
    pub(in super::super) fn then(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.is_unique |= other.is_unique;
        self
    }

    /// `column IN (?, ?)`.
    pub(super) fn one_of_bytes<'b>(
        self,
        column: &str,
        values: impl Iterator<Item = &'b [u8]>,
    ) -> Self {
        let mut statement = self.sql(&format!("{column} IN ("));
        for (n, value) in values.enumerate() {
            let separator = if n == 0 { "" } else { ", " };
            statement = statement.sql(separator).bytes(value);
        }
        statement.sql(")").unique()
    }

    /// The statement with the types of its columns.
    pub(super) fn with_columns<C>(self) -> Typed<C> {
        Typed(self, PhantomData)
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

/// A statement whose rows are read by column position.
pub(in super::super) struct Typed<C>(Statement, PhantomData<C>);

impl<C> QueryFragment<Backend> for Typed<C> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl<C> QueryId for Typed<C> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C> Query for Typed<C> {
    type SqlType = C;
}
