//! What is wrong with values, and where it was written.

use super::node::Place;

/// A mistake in the values. Displayed with its place first, and the line with a caret below.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{at}{message}{context}{snippet}", at = prefix(place.as_ref()), context = suffix(class.as_deref()), snippet = snippet(place.as_ref()))]
pub struct ValuesError {
    message: String,
    class: Option<String>,
    place: Option<Place>,
}

fn prefix(place: Option<&Place>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

fn suffix(class: Option<&str>) -> String {
    class.map(|class| format!(" (class {class})")).unwrap_or_default()
}

fn snippet(place: Option<&Place>) -> String {
    place.map(Place::snippet).unwrap_or_default()
}

impl ValuesError {
    /// A mistake at a place.
    #[must_use]
    pub fn new(message: impl Into<String>, place: &Place) -> Self {
        Self { message: message.into(), class: None, place: Some(place.clone()) }
    }

    /// A mistake whose place the caller knows better, and gives with [`ValuesError::or_at`].
    #[must_use]
    pub fn unplaced(message: impl Into<String>) -> Self {
        Self { message: message.into(), class: None, place: None }
    }

    /// The same mistake, at this place unless a closer one is known.
    #[must_use]
    pub fn or_at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// The same mistake, said to be in this class.
    #[must_use]
    pub fn in_class(mut self, class: &str) -> Self {
        self.class.get_or_insert_with(|| class.to_owned());
        self
    }
}
