package reconcile

import (
	_ "embed"
	"html/template"
	"io"
	"time"

	"github.com/ksher-go/ksher"
)

//go:embed page.html
var pageText string

// most bounds how many orders the page lists one by one. All are in the CSV.
const most = 1000

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"money": func(a ksher.Amount, currency string) string { return a.Display(currency) },
	"time":  func(t time.Time) string { return t.Format("2006-01-02 15:04 MST") },
	"percent": func(part, of ksher.Amount) int64 {
		if of <= 0 {
			return 0
		}
		return int64(min(max(part, 0), of) * 100 / of)
	},
}).Parse(pageText))

// chart is the days in one currency.
type chart struct {
	Currency string
	Highest  ksher.Amount
	Days     []Day
}

// WriteHTML writes the report as a page that needs nothing else, for people who keep books.
func (r *Report) WriteHTML(to io.Writer) error {
	var charts []chart
	for _, day := range r.Days {
		if len(charts) == 0 || charts[len(charts)-1].Currency != day.Currency {
			charts = append(charts, chart{Currency: day.Currency})
		}
		last := &charts[len(charts)-1]
		last.Days = append(last.Days, day)
		last.Highest = max(last.Highest, day.Paid)
	}
	differing := r.Differing()
	shown := differing[:min(len(differing), most)]
	return page.Execute(to, map[string]any{
		"Report": r, "Charts": charts, "Verdicts": Verdicts, "Differing": shown, "Hidden": len(differing) - len(shown), "Surplus": r.Surplus(), "Agreeing": r.Counts[Agrees],
	})
}
