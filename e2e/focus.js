// Follows the keyboard through a page. start notes where the focus can go and
// how that looks without it, and step tells where it is now.
(() => {
	const visible = e => e.checkVisibility({opacityProperty: false, visibilityProperty: true}) && !e.closest('[inert]');
	// What changes when an element gets the focus may be drawn on itself, on its
	// label or on what surrounds it.
	const around = e => {
		const all = [e, e.nextElementSibling, e.parentElement, e.parentElement && e.parentElement.parentElement, ...(e.labels || [])];
		return all.filter(a => a && a !== document.body && a !== document.documentElement);
	};
	const looks = e => {
		const s = getComputedStyle(e);
		const outline = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 ? s.outline : '';
		return [outline, s.boxShadow === 'none' ? '' : s.boxShadow].join('|');
	};
	const describe = e => `<${e.localName}${e.id ? '#' + e.id : ''}${e.name ? `[name=${e.name}]` : ''}> ${JSON.stringify((e.textContent || e.value || '').trim().slice(0, 30))}`;
	const state = {order: [], resting: new Map()};
	// A transition would show the look half way.
	const still = new CSSStyleSheet();
	still.replaceSync('*, *::before, *::after { transition: none !important; animation: none !important }');
	return {
		start() {
			document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];
			// Tab goes on from where the focus was last, such as at a field that has
			// to be corrected: that has to be the top.
			document.body.tabIndex = -1;
			document.body.focus();
			document.body.removeAttribute('tabindex');
			document.activeElement.blur();
			getSelection().removeAllRanges();
			const groups = new Set();
			const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex], [contenteditable=true]')];
			state.order = all.filter(e => {
				if (!visible(e) || e.disabled || e.tabIndex < 0 || e.closest('fieldset:disabled')) return false;
				if (e.type !== 'radio') return true;
				// The keyboard enters a group of radio buttons once, at the chosen one.
				const members = all.filter(o => o.type === 'radio' && o.name === e.name && o.form === e.form && visible(o) && !o.disabled);
				const entry = members.find(o => o.checked) || members[0];
				return e === entry;
			});
			for (const e of state.order) for (const a of around(e)) state.resting.set(a, looks(a));
			return state.order.length;
		},
		step() {
			const e = document.activeElement;
			const index = state.order.indexOf(e);
			if (!e || e === document.body) return {index: -1, name: 'nothing', shown: true};
			const shown = around(e).some(a => looks(a) !== (state.resting.get(a) ?? '|')) || (looks(e) !== '|' && looks(e).split('|')[0] !== '');
			return {index, name: describe(e), shown};
		},
		end() {
			document.adoptedStyleSheets = document.adoptedStyleSheets.filter(s => s !== still);
			if (document.activeElement) document.activeElement.blur();
			scrollTo(0, 0);
			return true;
		},
	};
})()
