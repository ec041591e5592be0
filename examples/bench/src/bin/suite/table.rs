//! The figures and the targets, as they are printed.

use std::fmt;

use dcr_bench::Measured;

/// One load of one server, measured once or several times.
#[derive(Debug, Default)]
pub(crate) struct Series(Vec<Measured>);

/// All that is printed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<String>,
    targets: Vec<String>,
    notes: Vec<String>,
}

impl Series {
    pub(crate) fn push(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    /// The middle of a figure.
    pub(crate) fn middle(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        middle(self.0.iter().map(figure).collect())
    }

    pub(crate) fn rate(&self) -> f64 {
        self.middle(Measured::rate)
    }

    pub(crate) fn micros(&self) -> f64 {
        self.middle(Measured::server_micros)
    }

    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        self.middle(|measured| measured.millis(quantile))
    }

    /// The middle of what the rate is to that of another one, round by round.
    pub(crate) fn to(&self, other: &Self) -> f64 {
        middle(self.0.iter().zip(&other.0).map(|(this, other)| this.rate() / other.rate()).collect())
    }

    /// The middle of how much more CPU time of the server an operation takes than one of another, in microseconds.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        middle(self.0.iter().zip(&other.0).map(|(this, other)| this.server_micros() - other.server_micros()).collect())
    }
}

/// The one in the middle.
pub(crate) fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Report {
    /// A line of the first table.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn figure(&mut self, server: &str, load: impl fmt::Display, series: &Series) {
        self.figures.push(format!(
            "| {server} | {load} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} |",
            series.rate(),
            series.millis(0.5),
            series.millis(0.99),
            series.millis(0.999),
            series.micros(),
            series.middle(|measured| measured.resident as f64 / 1_024.0),
        ));
    }

    /// A line of the second table.
    pub(crate) fn target(&mut self, server: &str, what: &str, wanted: &str, found: &str, is_met: bool) {
        let met = if is_met { "yes" } else { "**no**" };
        self.targets.push(format!("| {server} | {what} | {wanted} | {found} | {met} |"));
    }

    /// A sentence below.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.figures.is_empty() {
            writeln!(f, "| server | load | a second | p50 ms | p99 ms | p99.9 ms | server CPU us | RSS MiB |")?;
            writeln!(f, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
            self.figures.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            writeln!(f)?;
        }
        if !self.targets.is_empty() {
            writeln!(f, "| server | target | wanted | found | met |")?;
            writeln!(f, "| --- | --- | --- | --- | --- |")?;
            self.targets.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "* {note}"))
    }
}
