//! The README says nothing that does not compile.

#[test]
fn the_readmes_lines_are_those_of_the_example_that_compiles() {
    let readme = include_str!("../../../README.md");
    let example = include_str!("../examples/minimal.rs");
    let mut snippets = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    let axum: Vec<&str> = snippets.next().expect("axum's lines").lines().collect();
    let warp: Vec<&str> = snippets.next().expect("warp's lines").lines().collect();
    assert_eq!((axum.len(), warp.len()), (5, 2));
    // "The first four lines are the same."
    for line in axum[..4].iter().chain(&warp) {
        assert!(example.contains(line.trim()), "not in the example: {line}");
    }
}
