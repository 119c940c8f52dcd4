// Package e2e has the browser tests of the local gateway: a buyer in real
// Chromium walks the checkout page of every channel, and a developer the
// dashboard. It is a module of its own so that nobody else needs a browser.
//
//	cd e2e && go test ./...
//
// The tests are skipped where there is no Chromium, and do without axe-core
// where there is no npm to install it, unless KSHER_E2E=1 says that there have
// to be both. CHROMIUM names the browser's executable, and KSHER_SCREENSHOTS
// the folder for the pictures, which is screenshots by default.
package e2e
