//! Charts as inline SVG: shapes with classes, coloured by the style sheet, in light and in dark. Each is an image with a
//! title and a description; the figures are in a table beside it.

use std::fmt::Write as _;

use super::frame::{Html, count};
use super::series::Range;
use crate::clock::Timestamp;
use crate::pages::escape;

/// So many series have a colour of their own.
pub(super) const COLOURS: usize = 7;

/// A line or a stack of bars.
pub(super) struct Plotted {
    pub(super) label: String,
    pub(super) values: Vec<u64>,
}

/// Where the plot is in the picture, in its own units.
struct Area {
    width: f64,
    height: f64,
    left: f64,
    top: f64,
    bottom: f64,
    right: f64,
}

impl Area {
    fn plot_width(&self) -> f64 {
        self.width - self.left - self.right
    }

    fn plot_height(&self) -> f64 {
        self.height - self.top - self.bottom
    }

    /// The height of a part of the whole.
    fn y(&self, part: f64) -> f64 {
        self.top + self.plot_height() * (1.0 - part)
    }

    /// The middle of a piece.
    fn x(&self, piece: usize, pieces: usize) -> f64 {
        self.left + self.plot_width() * (float(piece as u64) + 0.5) / float(pieces.max(1) as u64)
    }
}

/// Exact as far as a picture can be.
#[expect(clippy::cast_precision_loss, reason = "a picture has no more than some thousand steps")]
fn float(n: u64) -> f64 {
    n as f64
}

/// A round number not below `most`: 1, 2 or 5 and noughts.
fn round_up(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let round = step.saturating_mul(factor);
            if round >= most || round == u64::MAX {
                return round;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// How a time is written below the plot.
fn tick(range: Range, start: Timestamp) -> String {
    let text = start.to_string();
    match range {
        Range::Day => text.get(11..16),
        Range::Week | Range::Month => text.get(5..10),
    }
    .unwrap_or_default()
    .to_owned()
}

/// One in so many pieces has a label: so that they have room, and for a week each day has one.
const fn tick_every(range: Range, narrow: bool) -> usize {
    match (range, narrow) {
        (Range::Day, false) => 3,
        (Range::Day, true) => 8,
        (Range::Week, false) => 4,
        (Range::Week, true) => 12,
        (Range::Month, false) => 3,
        (Range::Month, true) => 10,
    }
}

fn begin(area: &Area, id: &str, title: &str, description: &str) -> String {
    format!(
        r#"<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>"#,
        area.width,
        area.height,
        escape(title),
        escape(description)
    )
}

fn times(svg: &mut String, area: &Area, range: Range, starts: &[Timestamp], narrow: bool) {
    let every = tick_every(range, narrow);
    for (piece, start) in starts.iter().enumerate() {
        // Counted from the end: the last piece is that of now. Of a week the first piece of each day.
        let labelled = match range {
            Range::Week => {
                (start.unix_seconds() / (24 * 3_600)) % (every as i64 / 4) == 0
                    && start.unix_seconds() % (24 * 3_600) == 0
            }
            Range::Day | Range::Month => (starts.len() - 1 - piece).is_multiple_of(every),
        };
        if labelled {
            let (x, y) = (area.x(piece, starts.len()), area.height - area.bottom + 16.0);
            let _ =
                write!(svg, r#"<text class="tick mid" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(&tick(range, *start)));
        }
    }
}

fn level(svg: &mut String, area: &Area, part: f64, label: &str) {
    let (y, end) = (area.y(part), area.width - area.right);
    let class = if part == 0.0 { "axis" } else { "grid" };
    let _ = write!(svg, r#"<line class="{class}" x1="{:.1}" x2="{end:.1}" y1="{y:.1}" y2="{y:.1}"/>"#, area.left);
    let _ =
        write!(svg, r#"<text class="tick end" x="{:.1}" y="{:.1}">{}</text>"#, area.left - 6.0, y + 4.0, escape(label));
}

/// Bars over time, a stack for each piece, the first series below.
pub(super) fn bars(range: Range, starts: &[Timestamp], series: &[Plotted], title: &str, description: &str) -> Html {
    let area = Area { width: 900.0, height: 260.0, left: 52.0, top: 10.0, bottom: 26.0, right: 8.0 };
    let sums = (0..starts.len()).map(|piece| {
        series.iter().filter_map(|one| one.values.get(piece)).fold(0_u64, |sum, value| sum.saturating_add(*value))
    });
    let top = round_up(sums.max().unwrap_or(0).max(5));
    let mut svg = begin(&area, "signins", title, description);
    // 5 and 10 have five levels, 20 has four: each is a round number.
    let levels = if top.to_string().starts_with('2') { 4 } else { 5 };
    for part in 0..=levels {
        level(&mut svg, &area, float(part) / float(levels), &count(top / levels * part));
    }
    times(&mut svg, &area, range, starts, false);
    let width = area.plot_width() / float(starts.len().max(1) as u64) * 0.72;
    for piece in 0..starts.len() {
        let mut below = 0_u64;
        for (place, one) in series.iter().enumerate() {
            let value = one.values.get(piece).copied().unwrap_or(0);
            if value == 0 {
                continue;
            }
            let (bottom, high) = (float(below) / float(top), float(value) / float(top));
            let (x, y) = (area.x(piece, starts.len()) - width / 2.0, area.y(bottom + high));
            let height = area.plot_height() * high;
            let class = place.min(COLOURS);
            let _ = write!(
                svg,
                r#"<rect class="s{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
            );
            below = below.saturating_add(value);
        }
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// A share over time, between nothing and all; a gap where there is none.
pub(super) fn share(
    range: Range,
    starts: &[Timestamp],
    shares: &[Option<f64>],
    id: &str,
    title: &str,
    description: &str,
) -> Html {
    let area = Area { width: 420.0, height: 120.0, left: 44.0, top: 10.0, bottom: 24.0, right: 12.0 };
    let mut svg = begin(&area, id, title, description);
    for (part, label) in [(0.0, "0%"), (0.5, "50%"), (1.0, "100%")] {
        level(&mut svg, &area, part, label);
    }
    times(&mut svg, &area, range, starts, true);
    let points: Vec<Option<(f64, f64)>> = shares
        .iter()
        .enumerate()
        .map(|(piece, share)| share.map(|share| (area.x(piece, starts.len()), area.y(share.clamp(0.0, 1.0)))))
        .collect();
    for run in points.split(Option::is_none).filter(|run| run.len() > 1) {
        let line: Vec<String> = run.iter().flatten().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(svg, r#"<polyline class="line" points="{}"/>"#, line.join(" "));
    }
    for (x, y) in points.iter().flatten() {
        let _ = write!(svg, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="2.2"/>"#);
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// A part of a whole, as a number between nothing and one.
pub(super) fn part(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| float(part) / float(of))
}

#[cfg(test)]
mod chart_tests {
    use super::*;

    #[test]
    fn the_highest_level_is_a_round_number_that_nothing_exceeds() {
        for (most, round) in [(0, 1), (1, 1), (3, 5), (11, 20), (20, 20), (21, 50), (501, 1_000)] {
            assert_eq!(round_up(most), round);
        }
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn i_10_what_others_named_is_text_in_a_chart() {
        let starts = Range::Day.starts(Timestamp::from_unix_seconds(1_790_000_000));
        let series = [Plotted { label: String::new(), values: vec![u64::MAX; 24] }];
        let svg = bars(Range::Day, &starts, &series, "<script>", "a\"b").0;
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script") && svg.contains("a&quot;b"));
        assert_eq!(svg.matches("<rect").count(), 24);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn where_nobody_came_the_line_has_a_gap() {
        let starts = Range::Month.starts(Timestamp::from_unix_seconds(1_790_000_000));
        let mut shares = vec![Some(1.0); 30];
        shares[10] = None;
        let svg = share(Range::Month, &starts, &shares, "x", "t", "d").0;
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 29));
    }
}
