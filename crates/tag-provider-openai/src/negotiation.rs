//! What a server takes: parameters that it refuses by name are left out from then on.

use std::sync::{Mutex, PoisonError};

use crate::Output;

/// What may be left out, most particular names first: an error that names `max_completion_tokens` does not mean
/// `max_tokens`, although it mostly has both names.
const OPTIONAL: &[&str] = &[
    "chat_template_kwargs",
    "reasoning_effort",
    "response_format",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
];

/// Other names of a parameter in errors.
const ALIASES: &[(&str, &str)] = &[
    ("json_schema", "response_format"),
    ("json_object", "response_format"),
    ("grammar", "response_format"),
    ("maxitems", "response_format"),
    ("enable_thinking", "chat_template_kwargs"),
];

/// How an answer is held to its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By a schema.
    Schema,
    /// By JSON mode.
    Json,
    /// By the question alone.
    Free,
}

/// What a call offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    form: Form,
    left_out: Vec<&'static str>,
}

impl Offer {
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Whether a parameter is sent.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.left_out.contains(&name)
    }
}

/// What the server is known to refuse.
#[derive(Debug)]
pub(crate) struct Negotiation(Mutex<Offer>);

impl Negotiation {
    pub(crate) fn new(output: Output) -> Self {
        let form = match output {
            Output::Structured => Form::Schema,
            Output::Json => Form::Json,
            Output::Plain => Form::Free,
        };
        // One of the two at a time: OpenAI refuses both together, others know only the first.
        let left_out = vec!["max_completion_tokens"];
        Self(Mutex::new(Offer { form, left_out }))
    }

    pub(crate) fn offer(&self) -> Offer {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the error names something of the offer that can be left out: the next offer does so. Each offer is
    /// smaller than the one before, so this ends.
    pub(crate) fn gives_way(&self, offer: &Offer, error: &str) -> bool {
        let Some(name) = refused(offer, &error.to_lowercase()) else {
            return false;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have learnt the same meanwhile.
        if *known == *offer {
            tracing::warn!(
                parameter = name,
                "the vision server refuses a parameter, which is left out from now on"
            );
            known.leave_out(name);
        }
        true
    }
}

impl Offer {
    fn leave_out(&mut self, name: &'static str) {
        match (name, self.form) {
            ("response_format", Form::Schema) => self.form = Form::Json,
            ("response_format", _) => self.form = Form::Free,
            ("max_tokens", _) => {
                self.left_out.push(name);
                self.left_out
                    .retain(|name| *name != "max_completion_tokens");
            }
            _ => self.left_out.push(name),
        }
    }
}

/// The parameter of the offer that an error is about.
fn refused(offer: &Offer, error: &str) -> Option<&'static str> {
    let aliases = ALIASES.iter().filter(|(alias, _)| error.contains(alias));
    let names = OPTIONAL.iter().filter(|name| error.contains(**name));
    let is_offered = |name: &&'static str| match *name {
        "response_format" => offer.form != Form::Free,
        name => offer.has(name),
    };
    let mut candidates = names.copied().chain(aliases.map(|(_, name)| *name));
    candidates.find(is_offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(
        "Unrecognized request argument supplied: chat_template_kwargs",
        "chat_template_kwargs"
    )]
    #[case(
        "Unsupported value: 'reasoning_effort' does not support 'none'",
        "reasoning_effort"
    )]
    #[case(
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "max_tokens"
    )]
    #[case(
        "Unsupported value: 'temperature' does not support 0 with this model.",
        "temperature"
    )]
    fn what_is_refused_is_left_out(#[case] error: &str, #[case] name: &str) {
        let negotiation = Negotiation::new(Output::Structured);
        let offer = negotiation.offer();
        assert!(offer.has(name));
        assert!(negotiation.gives_way(&offer, error));
        let next = negotiation.offer();
        assert!(!next.has(name));
        // The same error again, of a call that was under way.
        assert!(negotiation.gives_way(&offer, error));
        assert_eq!(negotiation.offer(), next);
    }

    #[test]
    fn one_limit_of_tokens_takes_the_place_of_the_other() {
        let negotiation = Negotiation::new(Output::Plain);
        assert!(!negotiation.offer().has("max_completion_tokens"));
        negotiation.gives_way(&negotiation.offer(), "max_tokens");
        assert!(negotiation.offer().has("max_completion_tokens"));
        negotiation.gives_way(&negotiation.offer(), "max_completion_tokens");
        let offer = negotiation.offer();
        assert!(!offer.has("max_tokens") && !offer.has("max_completion_tokens"));
    }

    #[test]
    fn a_schema_gives_way_to_json_and_json_to_nothing() {
        let negotiation = Negotiation::new(Output::Structured);
        for form in [Form::Json, Form::Free] {
            assert!(negotiation.gives_way(&negotiation.offer(), "response_format: unknown type"));
            assert_eq!(negotiation.offer().form(), form);
        }
        assert!(!negotiation.gives_way(&negotiation.offer(), "response_format"));
    }

    #[test]
    fn every_negotiation_ends() {
        let negotiation = Negotiation::new(Output::Structured);
        let all = OPTIONAL.join(" ");
        let steps = (0..100).take_while(|_| negotiation.gives_way(&negotiation.offer(), &all));
        assert_eq!(steps.count(), OPTIONAL.len() + 1);
    }

    #[test]
    fn other_errors_are_none_of_its_business() {
        let negotiation = Negotiation::new(Output::Structured);
        for error in ["", "model not found", "the picture is too large", "<html>"] {
            assert!(
                !negotiation.gives_way(&negotiation.offer(), error),
                "{error}"
            );
        }
    }
}
