package opnapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/checkout"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/opn"
)

// byPage finds the charge of a page, nil if there is none.
func byPage(tx *core.Tx, r *http.Request) *core.Entry {
	return tx.Foreign(core.AppID, "page", r.PathValue("page"))
}

// showPage serves the address in authorize_uri.
func (a *Account) showPage(w http.ResponseWriter, r *http.Request) {
	var view *opn.Charge
	var now time.Time
	a.gw.Do(func(tx *core.Tx) {
		now = tx.Now()
		if o := byPage(tx, r); o != nil {
			is := a.view(tx.URL(), o, now)
			view = &is
		}
	})
	// Both pages are in English only.
	v := checkout.Message("missing", "en", true)
	if view == nil {
		v.Render(w, http.StatusNotFound)
		return
	}
	v.Bad, v.Order = false, true
	v.Amount, v.Currency, v.No = view.Amount.Display(""), view.Currency, view.ID
	v.Return = returnAddress(view.ReturnURI)
	switch view.Status {
	case opn.StatusPending:
		v.Block, v.Heading, v.Lead = "opn", "How does the payment end?", "In reality K PLUS opens here. Play the buyer instead."
		v.Action, v.Left = r.URL.Path, checkout.NewCountdown(view.ExpiresAt.V.Sub(now), a.gw.Speed())
		for _, code := range opn.FailureCodes() {
			info, _ := code.Info()
			v.Choices = append(v.Choices, checkout.Choice{Name: string(code), Text: info.Meaning})
		}
	case opn.StatusSuccessful:
		v.Good, v.Heading, v.Lead = true, "Paid", "The charge is successful."
		v.LeadOn(r.URL.Query(), r.URL.Path+"?stay=1")
	default:
		v.Bad, v.Heading, v.Lead = true, "Not paid", fmt.Sprintf("The charge is %s: %v.", view.Status, view.FailureCode.V)
		v.LeadOn(r.URL.Query(), r.URL.Path+"?stay=1")
	}
	v.Render(w, http.StatusOK)
}

// postPage takes a button of the page.
func (a *Account) postPage(w http.ResponseWriter, r *http.Request) {
	if checkout.ReadForm(w, r) != nil {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	var err error
	a.gw.Do(func(tx *core.Tx) {
		if o := byPage(tx, r); o != nil && statusOf(o, tx.Now()) == opn.StatusPending {
			err = press(tx, o, r.PostForm.Get("action"))
		}
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
}

// press does what a button says to a pending charge.
func press(tx *core.Tx, o *core.Entry, action string) (err error) {
	switch {
	case action == "successful":
		err = tx.Pay(o, "")
	case action == "expire":
		err = tx.Expire(o)
	case slices.Contains(opn.FailureCodes(), opn.FailureCode(action)):
		err = tx.FailBecause(o, action)
	}
	return errors.Join(err, tx.Save())
}
