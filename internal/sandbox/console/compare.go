package console

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/signhelp"
)

// comparePage is the text that had to be signed beside the one that a program signed.
type comparePage struct {
	Request requestData
	// Signed is what was pasted, and Compared tells that something was.
	Signed   string
	Compared bool
	signhelp.Comparison
}

// showCompare shows the form for the text that a program signed, and where the text that
// was pasted into it differs from the one that had to be signed.
func (c *Console) showCompare(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, core.MaxRequestBytes)
	if err := r.ParseForm(); err != nil {
		c.showError(w, r, &statusError{http.StatusRequestEntityTooLarge, "the form can't be read, or the text is too long"})
		return
	}
	no, err := strconv.Atoi(r.Form.Get("request"))
	if err != nil {
		c.showError(w, r, &statusError{http.StatusBadRequest, "say by its number with which request the text is to be compared"})
		return
	}
	for _, d := range c.requestDatas() {
		if d.No != no {
			continue
		}
		page := comparePage{Request: d, Compared: r.PostForm.Has("signed")}
		if page.Compared {
			// A browser makes a carriage return and a line feed of each line end in a form.
			lines := strings.NewReplacer("\r\n", "\n")
			page.Signed = lines.Replace(r.PostForm.Get("signed"))
			page.Comparison = signhelp.Compare(lines.Replace(cmp.Or(d.fullText, d.SignText)), page.Signed)
		}
		c.render(w, r, http.StatusOK, "compare", "Compare signed texts", page)
		return
	}
	c.showError(w, r, &statusError{http.StatusNotFound, fmt.Sprintf("request %d isn't among the last ones any more", no)})
}
