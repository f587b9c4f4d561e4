//! What dates look like in query parameters, for machines.

use utoipa::openapi::{
    KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type,
    path::{Operation, Parameter},
    schema::AnyOfBuilder,
};

/// A day and the time of it, without an offset: the days that there are, those of leap years too.
const LOCAL: &str = concat!(
    r"^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
    r"|(0[469]|11)-(0[1-9]|[12][0-9]|30)",
    r"|02-(0[1-9]|1[0-9]|2[0-8]))",
    r"|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)",
    r"[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?$",
);

/// Says what the dates among an operation's parameters look like.
pub(super) fn describe(operation: &mut Operation) {
    let parameters = operation.parameters.iter_mut().flatten();
    for parameter in parameters {
        if let RefOr::T(parameter) = parameter
            && is_date(parameter)
        {
            parameter.schema = Some(RefOr::T(schema()));
        }
    }
}

fn is_date(parameter: &Parameter) -> bool {
    matches!(parameter.name.as_str(), "min_date" | "max_date")
}

fn schema() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let format = |format| text().format(Some(SchemaFormat::KnownFormat(format)));
    let any_of = AnyOfBuilder::new()
        .item(text().pattern(Some(LOCAL)))
        .item(format(KnownFormat::DateTime))
        .item(format(KnownFormat::Date))
        .build();
    Schema::AnyOf(any_of)
}
