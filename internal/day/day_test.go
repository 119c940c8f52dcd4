package day_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/day"
)

func TestProblem(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const dense = "20060102"
	tests := map[string]struct{ layout, value, want string }{
		"today":                     {time.DateOnly, "2026-11-28", ""},
		"dense":                     {dense, "20261128", ""},
		"50 years ago":              {time.DateOnly, "1976-11-29", ""},
		"in 50 years":               {time.DateOnly, "2076-11-28", ""},
		"a day of February":         {time.DateOnly, "2024-02-29", ""},
		"more than 50 years ago":    {time.DateOnly, "1976-11-27", "is 1976-11-27, more than 50 years from today"},
		"in more than 50 years":     {dense, "20761129", "is 20761129, more than 50 years from today"},
		"year 0":                    {time.DateOnly, "0000-01-01", "is 0000-01-01, more than 50 years from today"},
		"Thai":                      {time.DateOnly, "2568-11-01", "is 2568-11-01, with a year of the Thai calendar: send 2025-11-01"},
		"Thai, dense":               {dense, "25691128", "is 25691128, with a year of the Thai calendar: send 20261128"},
		"Thai, 29th of February":    {time.DateOnly, "2567-02-29", "is 2567-02-29, with a year of the Thai calendar: send 2024-02-29"},
		"Thai, 50 years ago":        {time.DateOnly, "2519-11-29", "is 2519-11-29, with a year of the Thai calendar: send 1976-11-29"},
		"Thai, more than 50 years":  {time.DateOnly, "2519-11-27", "is 2519-11-27, more than 50 years from today"},
		"no day of February":        {time.DateOnly, "2026-02-29", `is "2026-02-29", not a day such as 2026-01-31`},
		"no day of Thai February":   {time.DateOnly, "2569-02-29", `is "2569-02-29", not a day such as 2026-01-31`},
		"empty":                     {dense, "", `is "", not a day such as 20260131`},
		"other form":                {dense, "2568-11-01", `is "2568-11-01", not a day such as 20260131`},
		"not a year":                {time.DateOnly, "yyyy-11-01", `is "yyyy-11-01", not a day such as 2026-01-31`},
		"long, and with a new line": {time.DateOnly, "\n" + strings.Repeat("x", 99), `is "\n` + strings.Repeat("x", 39) + `", not a day such as 2026-01-31`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, day.Problem(tt.layout, tt.value, now)) })
	}
}
