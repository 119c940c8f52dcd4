// Package day tells days that somebody means from days of another calendar, and when
// payouts are made.
package day

import (
	"fmt"
	"strconv"
	"time"
)

const (
	// span is how many years from today a day may lie.
	span = 50
	// thaiYears is by how much the years of the Thai calendar are higher.
	thaiYears = 543
)

// Near tells whether a moment is at most 50 years from now. One that isn't is of
// another calendar, or a mistake.
func Near(t, now time.Time) bool {
	return !t.Before(now.AddDate(-span, 0, 0)) && !t.After(now.AddDate(span, 0, 0))
}

// Problem says what keeps a day from being sent, in words that follow the name of
// a parameter; "" if nothing does. The layout, one of package time, begins with the
// year.
func Problem(layout, value string, now time.Time) string {
	if _, err := time.Parse(layout, value); err == nil || Far(layout, value, now) != "" {
		return Far(layout, value, now)
	}
	return fmt.Sprintf("is %.40q, not a day such as %s", value, time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC).Format(layout))
}

// Far is Problem for a parameter that needn't be a day of that layout: it finds
// nothing wrong with anything else.
func Far(layout, value string, now time.Time) string {
	t, err := time.Parse(layout, value)
	if err == nil && Near(t, now) {
		return ""
	}
	// Parsed on its own, because of the 29th of February.
	if meant, ok := fromThai(layout, value); ok && Near(meant, now) {
		return fmt.Sprintf("is %s, with a year of the Thai calendar: send %s", value, meant.Format(layout))
	}
	if err != nil {
		return ""
	}
	return fmt.Sprintf("is %s, more than %d years from today", value, span)
}

func fromThai(layout, value string) (time.Time, bool) {
	const digits = len("2569")
	if len(value) < digits {
		return time.Time{}, false
	}
	year, err := strconv.Atoi(value[:digits])
	if err != nil {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, fmt.Sprintf("%04d", year-thaiYears)+value[digits:])
	return t, err == nil
}
