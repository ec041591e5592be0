//! Colours, as far as an accent colour needs them: what can be read on it, and how it can be seen on a card
//! (WCAG 2.2, 1.4.3 and 1.4.11).

/// What text needs against its background (WCAG 1.4.3, level AA).
pub(super) const READABLE: f64 = 4.5;

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour([u8; 3]);

impl Colour {
    pub(super) const WHITE: Self = Self([0xff; 3]);
    pub(super) const BLACK: Self = Self([0; 3]);
    /// The cards of the pages, in light and in dark; the style sheet says the same.
    pub(super) const LIGHT_CARD: Self = Self::WHITE;
    pub(super) const DARK_CARD: Self = Self([0x19, 0x1f, 0x27]);

    /// `#rrggbb` and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?.as_bytes();
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let [r, r2, g, g2, b, b2] = *digits else { return None };
        let channel = |high: u8, low: u8| Some(digit(high)? * 16 + digit(low)?);
        Some(Self([channel(r, r2)?, channel(g, g2)?, channel(b, b2)?]))
    }

    /// Black or white, whichever reads better on it. The better of the two never has less than 4.58.
    pub(super) fn text(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    /// This colour, as far towards `towards` as it takes to be readable on `card`.
    pub(super) fn readable_on(self, card: Self, towards: Self) -> Self {
        const STEPS: u16 = 32;
        (0..=STEPS)
            .map(|step| self.mixed(towards, step, STEPS))
            .find(|c| c.contrast(card) >= READABLE)
            .unwrap_or(towards)
    }

    fn mixed(self, other: Self, part: u16, of: u16) -> Self {
        let channel = |a: u8, b: u8| {
            let sum = u16::from(a) * (of - part) + u16::from(b) * part;
            u8::try_from(sum / of).unwrap_or(u8::MAX)
        };
        let ([r, g, b], [r2, g2, b2]) = (self.0, other.0);
        Self([channel(r, r2), channel(g, g2), channel(b, b2)])
    }

    /// The contrast ratio of WCAG, between 1 and 21.
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Relative luminance, as WCAG defines it.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b] = self.0.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_hexadecimal_digits_and_nothing_else_is_a_colour() {
        assert_eq!(Colour::parse("#0A5fc2").unwrap().to_string(), "#0a5fc2");
        for bad in
            ["", "#", "0a5fc2", "#0a5fc", "#0a5fc22", "#fff", "#0a5fcg", "#0a5f-2", "blue", "#0a5fc2;}", " #0a5fc2"]
        {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 1e-9);
        let grey = Colour::parse("#767676").unwrap();
        assert!((grey.contrast(Colour::WHITE) - 4.54).abs() < 0.01, "{}", grey.contrast(Colour::WHITE));
    }

    /// A cube of colours: whatever an operator picks, the button and the ring around it can be read and seen.
    #[test]
    fn every_accent_is_readable_in_light_and_in_dark() {
        for r in (0..=255).step_by(17) {
            for g in (0..=255).step_by(17) {
                for b in (0..=255).step_by(17) {
                    let colour = Colour([r, g, b]);
                    assert!(colour.contrast(colour.text()) >= READABLE, "{colour}");
                    let light = colour.readable_on(Colour::LIGHT_CARD, Colour::BLACK);
                    assert!(light.contrast(Colour::LIGHT_CARD) >= READABLE, "{colour} {light}");
                    let dark = colour.readable_on(Colour::DARK_CARD, Colour::WHITE);
                    assert!(dark.contrast(Colour::DARK_CARD) >= READABLE, "{colour} {dark}");
                }
            }
        }
    }

    #[test]
    fn a_colour_that_is_readable_already_stays_as_it_is() {
        let blue = Colour::parse("#0a5fc2").unwrap();
        assert_eq!(blue.readable_on(Colour::LIGHT_CARD, Colour::BLACK), blue);
    }

    /// The console's own sheet: text is readable on cards and on the page, and what a chart draws can be seen (1.4.11).
    #[test]
    fn what_the_console_writes_and_draws_can_be_read_and_seen_in_light_and_in_dark() {
        const SHEET: &str = include_str!("../../templates/console/console.css");
        let roots: Vec<&str> =
            SHEET.split(":root{").skip(1).take(2).map(|root| root.split('}').next().unwrap()).collect();
        let [light, dark] = roots.as_slice() else { panic!("a sheet for light and one for dark") };
        for sheet in [light, dark] {
            let colour = |name: &str| {
                let text = sheet.split(&format!("{name}:")).nth(1).and_then(|rest| rest.split(';').next()).unwrap();
                let short = (text.len() == 4).then(|| text[1..].chars().flat_map(|c| [c, c]).collect::<String>());
                Colour::parse(&short.map_or_else(|| text.to_owned(), |digits| format!("#{digits}"))).unwrap()
            };
            for (text, on) in [
                ("--text", "--card"),
                ("--text", "--bg"),
                ("--soft", "--card"),
                ("--soft", "--bg"),
                ("--ring", "--card"),
                ("--ring", "--bg"),
                ("--bad", "--card"),
                ("--good", "--card"),
                ("--on-bad", "--bad"),
                ("--on-accent", "--accent"),
                ("--warn", "--warn-bg"),
            ] {
                let contrast = colour(text).contrast(colour(on));
                assert!(contrast >= READABLE, "{text} on {on}: {contrast}");
            }
            for drawn in ["--s0", "--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--s7", "--edge"] {
                let contrast = colour(drawn).contrast(colour("--card"));
                assert!(contrast >= 3.0, "{drawn}: {contrast}");
            }
        }
    }
}
