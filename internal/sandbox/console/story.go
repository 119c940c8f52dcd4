package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/story"
)

// storyPart is the story of an order on its page.
type storyPart struct {
	story.Story
	Picture template.HTML
}

// File is the address of the story as a file of that kind.
func (p storyPart) File(kind string) string {
	return "/story." + kind + "?" + url.Values{"appid": {p.AppID}, "no": {p.Order}}.Encode()
}

func (c *Console) writePicture(w http.ResponseWriter, r *http.Request, s story.Story) {
	w.Header().Set("Content-Type", "image/svg+xml")
	page := c.gw.URLFor(r) + orderPath(orderID{s.AppID, s.Order})
	fmt.Fprint(w, s.SVG(func(step story.Step) string { return fmt.Sprintf("%s#step-%d", page, step.No) }, true))
}

func (c *Console) writeArchive(w http.ResponseWriter, r *http.Request, s story.Story) {
	answerJSON(w, s.HAR(c.gw.URLFor(r), ksher.Version), nil)
}

// storyFile serves the story of an order as a file to keep.
func (c *Console) storyFile(kind string, write func(http.ResponseWriter, *http.Request, story.Story)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := c.story(idIn(r.URL.Query(), r.URL.Query().Get("no")))
		if err != nil {
			c.showError(w, r, err)
			return
		}
		w.Header().Set("Content-Disposition", `attachment; filename="order-story.`+kind+`"`)
		write(w, r, s)
	}
}

func (c *Console) story(id orderID) (s story.Story, err error) {
	c.gw.Do(func(tx *core.Tx) {
		o := tx.Either(id.appID, id.mchOrderNo)
		if o == nil {
			err = fmt.Errorf("order %q: %w", id.mchOrderNo, core.ErrNoOrder)
			return
		}
		s = story.Of(tx, o)
	})
	return s, err
}

// storyPart draws the story for the page that has its details.
func (c *Console) storyPart(id orderID) (storyPart, error) {
	s, err := c.story(id)
	picture := s.SVG(func(step story.Step) string { return fmt.Sprintf("#step-%d", step.No) }, false)
	return storyPart{s, template.HTML(picture)}, err // It escapes every text in it.
}
