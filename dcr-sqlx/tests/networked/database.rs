pub(crate) fn tests(_: crate::servers::Kind) -> Vec<(&'static str, crate::Test)> { vec![] }
