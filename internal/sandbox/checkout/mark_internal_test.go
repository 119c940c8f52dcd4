package checkout

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// Marks are told apart by their shapes, also by who doesn't see colours.
func TestMarksAreToldApart(t *testing.T) {
	shapes, colors := make(map[[2]string]ksher.Channel), make(map[[2]string]ksher.Channel)
	for c, m := range marks {
		shape := [2]string{m.outline, m.sign}
		assert.Empty(t, shapes[shape], "%s is drawn like another", c)
		shapes[shape] = c
		kind := [2]string{m.outline, m.color}
		assert.Empty(t, colors[kind], "%s has the colour of another of its kind", c)
		colors[kind] = c
	}
	for name, outline := range map[ksher.Channel]string{
		"ktbcard": cardOutline, "bbl_promptpay": scanOutline, "scb_instal": calendarOutline, "some_new_wallet": walletOutline,
	} {
		assert.Equal(t, outline, markOf(name).outline, name)
	}
}

// A mark is a drawing: it has no letters, and its lines are seen on its ground.
func TestMarksAreDrawings(t *testing.T) {
	for c, m := range marks {
		assert.GreaterOrEqual(t, 1.05/(luminance(m.color)+0.05), 4.5, "white on the colour of %s", c)
		d := xml.NewDecoder(strings.NewReader(string(m.svg())))
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err, c)
			switch token := token.(type) {
			case xml.CharData:
				assert.Empty(t, strings.TrimSpace(string(token)), c)
			case xml.StartElement:
				assert.NotContains(t, []string{"text", "image", "style", "script"}, token.Name.Local, c)
			}
		}
	}
	for _, c := range ksher.Channels() {
		assert.Contains(t, marks, c.Channel, "a channel that we know has a mark")
	}
}
