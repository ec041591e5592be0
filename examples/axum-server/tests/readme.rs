//! The README says nothing that does not compile.

#[test]
fn the_readmes_lines_are_those_of_the_example_that_compiles() {
    let readme = include_str!("../../../README.md");
    let example = include_str!("../examples/minimal.rs");
    let snippet = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a snippet");
    assert_eq!(snippet.lines().count(), 5);
    for line in snippet.lines() {
        assert!(example.contains(line.trim()), "not in the example: {line}");
    }
}
