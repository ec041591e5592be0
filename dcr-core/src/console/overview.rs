//! The first page: how many sign in, how many of them get there, and where each platform loses people.

use askama::Template;

use super::Answer;
use super::chart::{self, COLOURS, Plotted};
use super::frame::{Frame, Html, count, name, percent};
use super::query::Given;
use super::series::{FLOW, Range, Series, series};
use crate::admin::Problem;
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::Refusal;
use crate::record::Step;
use crate::store::{UserMatch, UserQuery};

/// So many reasons are named of the step that loses most.
const REASONS: usize = 3;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage<'a> {
    f: &'a Frame,
    ranges: Vec<(&'static str, &'static str, bool)>,
    live: String,
    done: String,
    refused: String,
    rate: String,
    chart: Html,
    legend: Vec<(usize, String)>,
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
    platforms: Vec<PlatformPart>,
    busiest: Vec<(String, String, String)>,
}

/// What is said of one platform.
struct PlatformPart {
    label: String,
    rate: String,
    done: String,
    chart: Html,
    steps: Vec<StepRow>,
    worst: Option<Worst>,
    refresh: String,
    events: String,
}

struct StepRow {
    label: &'static str,
    came: String,
    refused: String,
    left: String,
    /// For the bar: of a hundred.
    part: u64,
    is_worst: bool,
}

struct Worst {
    words: String,
    reasons: Vec<(String, String)>,
}

impl Inner {
    pub(super) async fn overview_page(&self, f: &Frame, query: &Given) -> Result<Answer, Problem> {
        let range = match query.get("range") {
            None => Range::Week,
            Some(name) => Range::from_name(name).ok_or_else(|| Problem::parameter("range", "24h, 7d or 30d"))?,
        };
        let now = f.now.0;
        let starts = range.starts(now);
        // What this process has counted is among it; what others have, within a minute.
        self.flush_counts().await.map_err(|error| Problem::from(Refusal::from(error)))?;
        let counts = self.store.funnel_sums(&range.sums(now)).await?;
        let all = series(range, now, &counts);
        let census = self.store.census(now).await?;
        let mut busiest = Vec::new();
        for (id, sessions) in &census.busiest {
            let asked = UserQuery { matching: Some(UserMatch::Id(id.clone())), after: None, limit: 1 };
            let user = self.store.users(&asked).await?.pop();
            let shown = user.and_then(|user| user.name.or(user.email)).unwrap_or_else(|| id.to_string());
            busiest.push((f.link(&format!("people/{id}")), name(&shown), count(*sessions)));
        }
        let shown: Vec<(String, &Series)> =
            all.iter().map(|one| (self.platform_label(f.t, &one.platform), one)).collect();
        let plotted = plotted(f, &shown);
        let whole = all.iter().map(Series::whole).fold((0_u64, 0_u64), |(done, refused), piece| {
            (done.saturating_add(piece.done), refused.saturating_add(piece.refused))
        });
        let rate = percent(whole.0, whole.0.saturating_add(whole.1)).unwrap_or_else(|| "–".to_owned());
        let description = (f.t.chart_says)(&count(whole.0), &rate, range_words(f, range));
        let page = OverviewPage {
            f,
            ranges: Range::ALL.iter().map(|one| (one.name(), range_words(f, *one), *one == range)).collect(),
            live: count(census.live),
            done: count(whole.0),
            refused: count(whole.1),
            rate,
            chart: chart::bars(range, &starts, &plotted, f.t.sign_ins_over_time, &description),
            legend: plotted.iter().enumerate().map(|(place, one)| (place.min(COLOURS), one.label.clone())).collect(),
            columns: shown.iter().map(|(label, _)| label.clone()).collect(),
            rows: rows(&starts, &shown),
            platforms: shown
                .iter()
                .enumerate()
                .map(|(place, (label, one))| platform_part(f, range, &starts, place, label, one))
                .collect(),
            busiest,
        };
        Answer::page(&page)
    }
}

const fn range_words(f: &Frame, range: Range) -> &'static str {
    match range {
        Range::Day => f.t.last_day,
        Range::Week => f.t.last_week,
        Range::Month => f.t.last_month,
    }
}

const fn step_words(f: &Frame, step: Step) -> &'static str {
    match step {
        Step::Register => f.t.step_register,
        Step::Authorize => f.t.step_authorize,
        Step::Consent => f.t.step_consent,
        Step::SignIn => f.t.step_sign_in,
        Step::Code => f.t.step_code,
        Step::Refresh => f.t.step_refresh,
        Step::Machine => f.t.step_machine,
    }
}

/// The platforms with the most sign-ins, and all the others as one.
fn plotted(f: &Frame, shown: &[(String, &Series)]) -> Vec<Plotted> {
    let with_some: Vec<_> = shown.iter().filter(|(_, one)| one.whole().done > 0).collect();
    let values = |one: &Series| one.pieces.iter().map(|piece| piece.done).collect::<Vec<u64>>();
    let (named, rest) = with_some.split_at(with_some.len().min(COLOURS));
    let mut plotted: Vec<Plotted> =
        named.iter().map(|(label, one)| Plotted { label: label.clone(), values: values(one) }).collect();
    if !rest.is_empty() {
        let sum = rest.iter().map(|(_, one)| values(one)).fold(Vec::new(), |sum: Vec<u64>, values| {
            values.iter().enumerate().map(|(n, v)| v.saturating_add(sum.get(n).copied().unwrap_or(0))).collect()
        });
        plotted.push(Plotted { label: f.t.all_others.to_owned(), values: sum });
    }
    plotted
}

/// The figures of the charts, for those who read and for those who listen. The newest first.
fn rows(starts: &[Timestamp], shown: &[(String, &Series)]) -> Vec<(String, Vec<String>)> {
    let row = |(piece, start): (usize, &Timestamp)| {
        let cell = |(_, one): &(String, &Series)| {
            let piece = one.pieces.get(piece).copied().unwrap_or_default();
            match percent(piece.done, piece.all()) {
                Some(rate) => format!("{} ({rate})", count(piece.done)),
                None => "–".to_owned(),
            }
        };
        let time = super::frame::When(*start).plain();
        (time.get(..16).unwrap_or(&time).to_owned(), shown.iter().map(cell).collect())
    };
    starts.iter().enumerate().rev().map(row).collect()
}

fn platform_part(
    f: &Frame,
    range: Range,
    starts: &[Timestamp],
    place: usize,
    label: &str,
    one: &Series,
) -> PlatformPart {
    let whole = one.whole();
    let rate = percent(whole.done, whole.all()).unwrap_or_else(|| "–".to_owned());
    let shares: Vec<Option<f64>> = one.pieces.iter().map(|piece| chart::part(piece.done, piece.all())).collect();
    let worst = one.worst();
    let most = FLOW.iter().map(|step| one.step(*step).came()).max().unwrap_or(0);
    let steps = FLOW
        .iter()
        .zip(one.losses())
        .map(|(step, loss)| {
            let came = one.step(*step).came();
            StepRow {
                label: step_words(f, *step),
                came: count(came),
                refused: count(loss.refused),
                left: count(loss.left),
                part: came.saturating_mul(100).checked_div(most).unwrap_or(0),
                is_worst: worst.as_ref().is_some_and(|worst| worst.step == *step),
            }
        })
        .collect();
    let refresh = one.step(Step::Refresh);
    let refresh = match percent(refresh.ok, refresh.came()) {
        Some(rate) => format!("{} ({rate})", count(refresh.came())),
        None => "–".to_owned(),
    };
    let title = (f.t.rate_over_time)(label);
    PlatformPart {
        label: label.to_owned(),
        chart: chart::share(range, starts, &shares, &format!("rate-{place}"), &title, &rate),
        rate,
        done: count(whole.done),
        steps,
        worst: worst.map(|loss| Worst {
            words: (f.t.loses_most)(step_words(f, loss.step), &count(loss.refused), &count(loss.left)),
            reasons: one.step(loss.step).top(REASONS).into_iter().map(|(r, n)| (name(r), count(n))).collect(),
        }),
        refresh,
        events: f.link(&format!("events?{}", super::query::encoded([("platform", one.platform.as_str())]))),
    }
}
