//! `CASES.md`: every id, and where it is shown. And the table of what ran.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::case::Surface;
use crate::ground::Place;

const TEXT: &str = include_str!("CASES.md");
/// How a row says that the catalogue shows it.
const HERE: &str = "catalogue";
/// How a row says that nothing can show it here.
const NOWHERE: &str = "no request: ";
/// The source of the cases that every adapter and store must pass.
const REQUIRED: &str = "case";
/// How many of those there are: none gets lost.
const REQUIRED_ROWS: usize = 79;
/// How many of the slowest cases are named.
const SLOWEST: usize = 8;

/// A row of `CASES.md`.
struct Row {
    id: &'static str,
    surface: &'static str,
    source: &'static str,
    shown: &'static str,
}

/// All rows.
pub(crate) struct Listed(Vec<Row>);

impl Listed {
    pub(crate) fn read() -> Self {
        let is_row =
            |line: &&str| line.starts_with("| ") && !["| id ", "| -"].iter().any(|head| line.starts_with(head));
        let rows = TEXT.lines().filter(is_row).map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [id, surface, _expected, source, shown] = cells.as_slice() else { panic!("five cells: {line}") };
            Row { id, surface, source, shown }
        });
        Self(rows.collect())
    }

    /// Ids without a case, cases without an id, and places that show nothing.
    pub(crate) fn what_is_wrong(&self, surfaces: &[Surface]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut cases: BTreeMap<&str, &str> = BTreeMap::new();
        for surface in surfaces {
            for id in surface.cases.iter().flat_map(|case| case.ids) {
                if cases.insert(id, surface.name).is_some() {
                    wrong.push(format!("{id} has two cases"));
                }
            }
        }
        let mut seen = BTreeSet::new();
        for row in &self.0 {
            let Row { id, surface, shown, .. } = row;
            if !seen.insert(id) {
                wrong.push(format!("{id} is listed twice"));
            }
            match (shown.strip_prefix(HERE), cases.get(id)) {
                (Some(""), Some(at)) if at == surface => {}
                (Some(""), Some(at)) => wrong.push(format!("{id} is shown on the surface {at}, and not {surface}")),
                (Some(""), None) => wrong.push(format!("{id} has no case")),
                (None, Some(_)) => wrong.push(format!("{id} has a case, and is listed as shown by {shown}")),
                _ => wrong.extend(row.is_shown_elsewhere()),
            }
        }
        wrong.extend(cases.keys().filter(|id| !seen.contains(id)).map(|id| format!("{id} is not listed")));
        let required = self.0.iter().filter(|row| row.source == REQUIRED).count();
        if required != REQUIRED_ROWS {
            wrong.push(format!("{required} rows are cases that are required, and there should be {REQUIRED_ROWS}"));
        }
        wrong
    }

    /// How many rows are shown by the catalogue, elsewhere, and by nothing.
    fn figures(&self) -> (usize, usize, usize) {
        let count = |is: &dyn Fn(&str) -> bool| self.0.iter().filter(|row| is(row.shown)).count();
        let (here, nowhere) = (count(&|shown| shown == HERE), count(&|shown| shown.starts_with(NOWHERE)));
        (here, self.0.len() - here - nowhere, nowhere)
    }
}

impl Row {
    /// What is wrong with a row that names a file and something in it.
    fn is_shown_elsewhere(&self) -> Option<String> {
        let Self { id, shown, .. } = self;
        if shown.starts_with(NOWHERE) {
            return (self.source == REQUIRED).then(|| format!("{id} is required, and shown by nothing"));
        }
        let (file, what) = shown.split_once(' ').unwrap_or((shown, ""));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        match std::fs::read_to_string(root.join(file)) {
            Ok(text) if text.contains(what) => None,
            Ok(_) => Some(format!("{id}: {file} has no {what}")),
            Err(error) => Some(format!("{id}: {file}: {error}")),
        }
    }
}

/// A surface and a place.
type Cell = (&'static str, String);

/// What ran: cases that began and that passed, by surface and place.
#[derive(Default)]
pub(crate) struct Results {
    cells: Mutex<BTreeMap<Cell, (usize, usize)>>,
    exchanges: AtomicUsize,
    times: Mutex<Vec<(Duration, String)>>,
}

/// A case that began. It passed if this is told so.
pub(crate) struct Begun<'a> {
    results: &'a Results,
    cell: Cell,
    id: &'static str,
    since: Instant,
}

impl Begun<'_> {
    pub(crate) fn done(self) {
        self.results.change(&self.cell, |(_, passed)| *passed += 1);
        let mut times = self.results.times.lock().expect("no panic holds this");
        times.push((self.since.elapsed(), format!("{} {}", self.cell.1, self.id)));
    }
}

impl Results {
    pub(crate) fn begin(&self, surface: &'static str, id: &'static str, place: String) -> Begun<'_> {
        let cell = (surface, place);
        self.change(&cell, |(begun, _)| *begun += 1);
        Begun { results: self, cell, id, since: Instant::now() }
    }

    pub(crate) fn add_exchanges(&self, compared: usize) {
        self.exchanges.fetch_add(compared, Ordering::Relaxed);
    }

    fn change(&self, cell: &Cell, change: impl FnOnce(&mut (usize, usize))) {
        change(self.cells.lock().expect("no panic holds this").entry(cell.clone()).or_default());
    }

    /// The table.
    #[expect(clippy::print_stdout, reason = "the figures are the point")]
    pub(crate) fn print(&self, surfaces: &[Surface], listed: &Listed) {
        let cells = self.cells.lock().expect("no panic holds this");
        if cells.is_empty() {
            return;
        }
        let mut places: Vec<String> = Place::all().iter().map(ToString::to_string).collect();
        places.push("axum=warp".to_owned());
        places.retain(|place| cells.keys().any(|(_, ran)| ran == place));
        let line = |name: &str, ids: usize, rows: &mut dyn Iterator<Item = (usize, usize)>| {
            let cells: Vec<String> = rows
                .map(|(begun, passed)| match (begun, passed) {
                    (0, _) => format!("{:>15}", "-"),
                    (begun, passed) if begun == passed => format!("{passed:>15}"),
                    (begun, passed) => format!("{:>15}", format!("{passed} of {begun}")),
                })
                .collect();
            println!("{name:<18}{ids:>6}{}", cells.concat());
        };
        let head: Vec<String> = places.iter().map(|place| format!("{place:>15}")).collect();
        println!("cases that passed, by surface and place\n{:<18}{:>6}{}", "surface", "ids", head.concat());
        let of =
            |surface: &Surface, place: &String| cells.get(&(surface.name, place.clone())).copied().unwrap_or_default();
        let ids = |surface: &Surface| surface.cases.iter().map(|case| case.ids.len()).sum::<usize>();
        for surface in surfaces {
            line(surface.name, ids(surface), &mut places.iter().map(|place| of(surface, place)));
        }
        let total = |place: &String| {
            let all = surfaces.iter().map(|surface| of(surface, place));
            all.fold((0, 0), |(begun, passed), (b, p)| (begun + b, passed + p))
        };
        line("all", surfaces.iter().map(ids).sum(), &mut places.iter().map(total));
        let mut times = self.times.lock().expect("no panic holds this").clone();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let slowest: Vec<String> =
            times.iter().take(SLOWEST).map(|(time, what)| format!("{what} {:.1} s", time.as_secs_f32())).collect();
        println!("slowest: {}", slowest.join(", "));
        let (here, elsewhere, nowhere) = listed.figures();
        let compared = self.exchanges.load(Ordering::Relaxed);
        println!("{compared} exchanges were answered alike by both frameworks (HTTP-01)");
        println!("{here} ids are shown here, {elsewhere} by other tests, and {nowhere} are no request (CASES.md)");
    }
}
