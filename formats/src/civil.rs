//! Calendar dates in UTC from seconds since 1970: what FAT, ISO 9660 and Rock Ridge write instead of an epoch.

use std::fmt;

const SECONDS_A_DAY: i64 = 24 * 60 * 60;
/// Days of 400 years of the Gregorian calendar, after which it repeats.
const DAYS_AN_ERA: i64 = 400 * 365 + 97;
/// Days from 0000-03-01, where this arithmetic starts its eras, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// A second of the proleptic Gregorian calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// Astronomical year: 2019.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Civil {
    /// The date `epoch` seconds after 1970-01-01 00:00:00 UTC.
    ///
    /// ```
    /// use formats::civil::Civil;
    /// assert_eq!(Civil::from_epoch(1_559_424_892).to_string(), "2019-06-01 21:34:52");
    /// ```
    pub fn from_epoch(epoch: i64) -> Self {
        let days = epoch.div_euclid(SECONDS_A_DAY) + DAYS_TO_1970;
        let seconds = epoch.rem_euclid(SECONDS_A_DAY);
        let (era, day_of_era) = (days.div_euclid(DAYS_AN_ERA), days.rem_euclid(DAYS_AN_ERA));
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / (DAYS_AN_ERA - 1);
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Years start in March here, so that the leap day is a year's last and months follow 153 days each five.
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let small = |value: i64| u8::try_from(value).expect("a field of a date is below 60");
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day_of_year - (153 * march_month + 2) / 5 + 1),
            hour: small(seconds / 3600),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
        }
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (epoch, text) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_426_326_412, "2015-03-14 09:46:52"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (-2_208_988_800, "1900-01-01 00:00:00"),
        ] {
            assert_eq!(Civil::from_epoch(epoch).to_string(), text);
        }
    }
}
