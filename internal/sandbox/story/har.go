package story

import (
	"net/http"
	"time"
)

// har is a file in the form of an HTTP archive 1.2. Members that begin with an underscore
// aren't in that standard.
type har struct {
	Log harLog `json:"log"`
}

type harLog struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
	Comment string     `json:"comment"`
	Order   string     `json:"_order"`
	State   string     `json:"_state"`
	Verdict string     `json:"_verdict"`
	Story   []harStep  `json:"_story"`
	Entries []harEntry `json:"entries"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harStep struct {
	No      int       `json:"no"`
	At      time.Time `json:"at"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Label   string    `json:"label"`
	Outcome string    `json:"outcome,omitzero"`
	Why     string    `json:"why,omitzero"`
	Fault   string    `json:"fault,omitzero"`
	Times   int       `json:"times,omitzero"`
}

type harEntry struct {
	Step     int         `json:"_step"`
	Started  time.Time   `json:"startedDateTime"`
	Time     float64     `json:"time"`
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	Cache    struct{}    `json:"cache"`
	Timings  harTimings  `json:"timings"`
	Comment  string      `json:"comment,omitzero"`
}

type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// harHead is what a request and a response have both. Headers aren't kept.
type harHead struct {
	HTTPVersion string    `json:"httpVersion"`
	Cookies     []harPair `json:"cookies"`
	Headers     []harPair `json:"headers"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int       `json:"bodySize"`
}

type harRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	harHead
	Query    []harPair `json:"queryString"`
	PostData harPost   `json:"postData"`
}

type harPost struct {
	MimeType string    `json:"mimeType"`
	Params   []harPair `json:"params"`
	Text     string    `json:"text"`
}

type harResponse struct {
	Status     int    `json:"status"`
	StatusText string `json:"statusText"`
	harHead
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
}

type harContent struct {
	Size     int    `json:"size"`
	MimeType string `json:"mimeType"`
	Text     string `json:"text"`
}

// HAR is the story as a file of JSON to attach to a report, with the gateway at that
// address. Programs that read HTTP archives can open it.
func (s Story) HAR(base, version string) any {
	log := harLog{
		Version: "1.2", Creator: harCreator{"ksher sandbox", version},
		Comment: "The story of an order in the Ksher sandbox. Signatures, scanned codes, receivers and tokens are left out. Times are those of the sandbox's clock, durations those of the real one.",
		Order:   s.Order, State: string(s.State), Verdict: s.Verdict, Story: []harStep{}, Entries: []harEntry{},
	}
	for _, step := range s.Steps {
		log.Story = append(log.Story, harStep{step.No, step.At, step.From.String(), step.To.String(), step.Label, step.Outcome, step.Why, string(step.Fault), step.Times})
		if step.Exchanged() {
			log.Entries = append(log.Entries, step.entry(base))
		}
	}
	return har{log}
}

func (s Step) entry(base string) harEntry {
	took := float64(s.Took) / float64(time.Millisecond)
	head := harHead{"HTTP/1.1", []harPair{}, []harPair{}, -1, -1}
	e := harEntry{Step: s.No, Started: s.At, Time: took, Timings: harTimings{Wait: took}, Comment: s.Text()}
	e.Request = harRequest{Method: s.Method, URL: s.Address, harHead: head, Query: []harPair{}, PostData: harPost{Params: []harPair{}, Text: s.Body}}
	if s.Kind == Request {
		e.Request.URL = base + s.Address
	}
	params := &e.Request.PostData.Params
	if s.Method == http.MethodGet {
		params = &e.Request.Query
	}
	for _, p := range s.Params {
		*params = append(*params, harPair(p))
	}
	e.Response = harResponse{Status: s.Status, StatusText: http.StatusText(s.Status), harHead: head, Content: harContent{len(s.Answer) + s.Left, "", s.Answer}}
	return e
}
