package checkout

import (
	"fmt"
	"html/template"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// mark is the sign of a channel, of our own drawing: the outline tells the kind of channel,
// the sign on it and the colour which one it is. No brand's logo is imitated.
type mark struct{ outline, sign, color string }

// outlines of the kinds of channels, on 36 by 36.
const (
	scanOutline     = `<rect x="2" y="2" width="32" height="32" rx="7"/>`
	walletOutline   = `<circle cx="18" cy="18" r="16.5"/>`
	cardOutline     = `<rect x="1" y="6" width="34" height="24" rx="4"/>`
	calendarOutline = `<path d="M5 6h3V3a2 2 0 0 1 4 0v3h12V3a2 2 0 0 1 4 0v3h3a3 3 0 0 1 3 3v22a3 3 0 0 1-3 3H5a3 3 0 0 1-3-3V9a3 3 0 0 1 3-3z"/>` +
		`<path d="M2 11h32" stroke="#fff" stroke-width="1.5"/>`
	phoneOutline = `<rect x="7" y="1" width="22" height="34" rx="5"/><path d="M15 31h6M15 5h6" stroke="#fff" stroke-width="1.5"/>`
)

// signs are drawn in white lines.
const (
	finderSign  = `<path d="M9 9h6v6H9zM21 9h6v6h-6zM9 21h6v6H9zM21 21h2M27 21v6M21 27h2"/>`
	cornersSign = `<path d="M11 15v-4h4M21 11h4v4M25 21v4h-4M15 25h-4v-4M9 18h18"/>`
	purseSign   = `<path d="M10 14h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H12a2 2 0 0 1-2-2zM10 14l10-4v4M26 18h-4a2 2 0 0 0 0 4h4"/>`
	coinsSign   = `<ellipse cx="18" cy="13" rx="7.5" ry="3"/><path d="M10.5 13v10c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3V13M10.5 18c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3"/>`
	wavesSign   = `<path d="M11 20.5a4 4 0 0 0 0-5M15.5 23.5a8.5 8.5 0 0 0 0-11M20 26.5a13 13 0 0 0 0-17"/>`
	noteSign    = `<path d="M8.5 12.5h19v11h-19z"/><circle cx="18" cy="18" r="2.5"/>`
	globeSign   = `<circle cx="18" cy="18" r="9"/><path d="M9 18h18M18 9c5 5 5 13 0 18c-5-5-5-13 0-18"/>`
	thirdsSign  = `<circle cx="18" cy="18" r="8.5" stroke-width="4" stroke-linecap="butt" stroke-dasharray="14.8 3"/>`
	stripeSign  = `<path d="M1 13.5h34" stroke-width="4" stroke-linecap="butt"/><path d="M6.5 23.5h7"/>`
	qrCardSign  = `<path d="M7 11.5h6v6H7zM18 11.5h4M27 11.5h2v4M18 17h4M7 24h6M18 24h4M27 20.5v3.5h2"/>`
	loginSign   = `<circle cx="18" cy="14.5" r="4"/><path d="M10.5 26c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5"/>`
)

// signs of banks, the same on each of a bank's channels.
const (
	barsSign     = `<path d="M11 16v9M18 16v9M25 16v9"/>`
	triangleSign = `<path d="M18 14l6 10.5H12z"/>`
	diamondSign  = `<path d="M18 13l6.5 6.5L18 26l-6.5-6.5z"/>`
	frameSign    = `<path d="M12.5 14.5h11v10h-11z"/>`
	ringSign     = `<circle cx="18" cy="19" r="5.5"/>`
	hexagonSign  = `<path d="M15 13.5h6l3.5 6-3.5 6h-6l-3.5-6z"/>`
	accountSign  = `<path d="M11.5 18h13L18 13.5zM13.5 18v6M18 18v6M22.5 18v6"/>`
)

var marks = map[ksher.Channel]mark{
	ksher.ChannelPromptPay:       {scanOutline, finderSign, "#123f78"},
	ksher.ChannelTrueMoney:       {walletOutline, purseSign, "#b4450c"},
	ksher.ChannelAirPay:          {walletOutline, coinsSign, "#a8324a"},
	ksher.ChannelLinePay:         {walletOutline, wavesSign, "#04742f"},
	ksher.ChannelAtome:           {walletOutline, thirdsSign, "#54590a"},
	ksher.ChannelWeChat:          {walletOutline, cornersSign, "#067536"},
	ksher.ChannelAlipay:          {walletOutline, noteSign, "#0c5bc4"},
	ksher.ChannelAlipayPlus:      {walletOutline, globeSign, "#5a3fb0"},
	ksher.ChannelCard:            {cardOutline, stripeSign, "#2f3b87"},
	ksher.ChannelSCBQRCard:       {cardOutline, qrCardSign, "#4e2a84"},
	ksher.ChannelKTCInstal:       {calendarOutline, barsSign, "#a3121f"},
	ksher.ChannelKBankInstal:     {calendarOutline, triangleSign, "#0b6e43"},
	ksher.ChannelKCCInstal:       {calendarOutline, diamondSign, "#6a4e00"},
	ksher.ChannelKFCInstal:       {calendarOutline, frameSign, "#a32262"},
	ksher.ChannelSCBEasy:         {phoneOutline, ringSign, "#4e2a84"},
	ksher.ChannelBBLDeeplink:     {phoneOutline, hexagonSign, "#1c3f94"},
	ksher.ChannelBAYBankDeeplink: {phoneOutline, diamondSign, "#6a4e00"},
	ksher.ChannelKPlus:           {phoneOutline, triangleSign, "#0b6e43"},
}

// markOf is the mark of a channel. One that isn't described has the mark of its kind, in grey.
func markOf(c ksher.Channel) mark {
	if m, ok := marks[c]; ok {
		return m
	}
	const grey = "#3c465a"
	k := kindOf(c)
	switch {
	case k.pc[0].steps[0] == instalStep:
		return mark{calendarOutline, accountSign, grey}
	case core.InfoOf(c).Card:
		return mark{cardOutline, stripeSign, grey}
	case core.InfoOf(c).MobileOnly:
		return mark{phoneOutline, accountSign, grey}
	case k.pc[0].steps[0] == qrStep:
		return mark{scanOutline, finderSign, grey}
	}
	return mark{walletOutline, loginSign, grey}
}

// svg is the drawing. The channel's name stands beside it, so that screen readers leave it out.
func (m mark) svg() template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="mark" viewBox="0 0 36 36" width="36" height="36" aria-hidden="true">`+
		`<g fill="%s">%s</g><g fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round">%s</g></svg>`,
		m.color, m.outline, m.sign))
}

// MarkOf is the mark of a channel, for templates.
func (v *View) MarkOf(c string) template.HTML { return markOf(ksher.Channel(c)).svg() }
