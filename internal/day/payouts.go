package day

import "time"

// PayoutsOpenIn tells how long it takes until Ksher makes payouts again: 0 unless it is
// from 02:30 to 03:00 in Thailand.
//
// Source: the page of payouts in Ksher's documentation.
func PayoutsOpenIn(now time.Time) time.Duration {
	now = now.In(time.FixedZone("UTC+7", 7*60*60))
	closes := time.Date(now.Year(), now.Month(), now.Day(), 2, 30, 0, 0, now.Location())
	if opens := closes.Add(30 * time.Minute); !now.Before(closes) && now.Before(opens) {
		return opens.Sub(now)
	}
	return 0
}
