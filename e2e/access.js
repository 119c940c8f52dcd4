// What a person with a keyboard, a screen reader, weak eyes or a small phone
// needs of every page. It gets the width of the screen and how large at least
// is what a finger has to hit, and returns what is wrong.
((width, finger) => {
	const problems = [];
	const name = e => {
		const id = e.id ? '#' + e.id : '';
		const label = e.getAttribute('name') ? `[name=${e.getAttribute('name')}]` : '';
		const text = (e.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 40);
		return `<${e.localName}${id}${label} class="${e.getAttribute('class') || ''}"> ${JSON.stringify(text)}`;
	};
	const visible = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true});
	const spoken = e => !e.closest('[aria-hidden=true], [inert]');

	// Language, headings, pictures.
	if (!document.documentElement.lang) problems.push('html has no lang');
	if (!document.title.trim()) problems.push('there is no title');
	const h1 = [...document.querySelectorAll('h1')].filter(visible);
	if (h1.length !== 1) problems.push(`there are ${h1.length} h1`);
	let level = 1; // What stands beside the main part may come before the h1.
	for (const h of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
		if (!visible(h)) continue;
		const l = Number(h.localName[1]);
		if (l > level + 1) problems.push(`heading jumps from h${level} to ${name(h)}`);
		level = l;
	}
	for (const img of document.images) {
		if (!img.hasAttribute('alt')) problems.push(`no alt: ${name(img)}`);
		if (visible(img) && img.complete && img.naturalWidth === 0) problems.push(`the picture doesn't show: ${img.src.slice(0, 80)}`);
	}
	for (const svg of document.querySelectorAll('svg')) {
		if (visible(svg) && spoken(svg) && !svg.getAttribute('aria-label') && !svg.getAttribute('aria-labelledby') && !svg.querySelector('title') &&
			!svg.closest('button, a, label, [role=img]')) problems.push(`a drawing is neither named nor hidden from screen readers: ${name(svg.parentElement)}`);
	}

	// Names of what can be used. A placeholder is no name: it goes away.
	const byIds = ids => (ids || '').split(/\s+/).filter(Boolean).map(id => document.getElementById(id));
	const textOf = e => {
		if (!e) return '';
		let text = '';
		for (const n of e.childNodes) {
			if (n.nodeType === Node.TEXT_NODE) text += n.data;
			else if (n.nodeType === Node.ELEMENT_NODE && n.getAttribute('aria-hidden') !== 'true') {
				text += n.getAttribute('aria-label') || (n.localName === 'img' ? n.alt : '') || textOf(n);
			}
		}
		return text;
	};
	const accessibleName = e =>
		byIds(e.getAttribute('aria-labelledby')).map(textOf).join(' ').trim() ||
		(e.getAttribute('aria-label') || '').trim() ||
		[...(e.labels || [])].map(textOf).join(' ').trim() ||
		(e.matches('input[type=submit], input[type=button]') ? e.value.trim() : '') ||
		(e.matches('button, a, summary, [role=button], [role=tab], [role=link]') ? textOf(e).trim() : '') ||
		(e.title || '').trim();
	for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary, [role=button], [role=tab]')) {
		if (visible(e) && spoken(e) && !accessibleName(e)) problems.push(`no accessible name: ${name(e)}`);
	}
	for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'aria-errormessage']) {
		for (const e of document.querySelectorAll(`[${attribute}]`)) {
			if (byIds(e.getAttribute(attribute)).some(o => !o)) problems.push(`${attribute} leads nowhere: ${name(e)}`);
		}
	}
	for (const label of document.querySelectorAll('label[for]')) {
		if (!document.getElementById(label.htmlFor)) problems.push(`label for nothing: ${name(label)}`);
	}
	const ids = new Set();
	for (const e of document.querySelectorAll('[id]')) {
		if (ids.has(e.id)) problems.push(`two elements have the id ${e.id}`);
		ids.add(e.id);
	}
	for (const e of document.querySelectorAll('[tabindex]')) {
		if (e.tabIndex > 0) problems.push(`tabindex above 0 changes the order: ${name(e)}`);
	}

	// Contrast. A canvas turns every notation of a colour into numbers.
	const canvas = document.createElement('canvas');
	canvas.width = canvas.height = 1;
	const pen = canvas.getContext('2d', {willReadFrequently: true});
	const colours = new Map();
	const parse = text => {
		if (!colours.has(text)) {
			pen.clearRect(0, 0, 1, 1);
			pen.fillStyle = '#000';
			pen.fillStyle = text;
			pen.fillRect(0, 0, 1, 1);
			const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
			colours.set(text, [r, g, b, a / 255]);
		}
		return colours.get(text);
	};
	const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
	const luminance = c => {
		const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const contrast = (a, b) => {
		const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
		return (light + 0.05) / (dark + 0.05);
	};
	// backgrounds has each colour that may be behind an element: one, or the
	// colours of a gradient. Of a picture only the colour below it is known.
	const backgrounds = e => {
		const layers = [];
		let ends = null;
		for (let at = e; at && !ends; at = at.parentElement) {
			const style = getComputedStyle(at);
			const gradient = style.backgroundImage.includes('gradient') ? style.backgroundImage.match(/(?:rgba?|color|oklch|oklab|lab|lch|hsla?)\([^()]*\)/g) || [] : [];
			if (gradient.length) {
				const solid = gradient.map(parse);
				const base = parse(style.backgroundColor);
				if (solid.every(c => c[3] === 1) || base[3] === 1) ends = solid.map(c => c[3] === 1 ? c : over(c, base[3] === 1 ? base : [255, 255, 255, 1]));
				else layers.push(solid[0]);
				continue;
			}
			const colour = parse(style.backgroundColor);
			if (colour[3] === 1) ends = [colour];
			else if (colour[3] > 0) layers.push(colour);
		}
		return (ends || [[255, 255, 255, 1]]).map(c => layers.reduceRight((under, top) => over(top, under), c));
	};
	const opacity = e => {
		let o = 1;
		for (let at = e; at; at = at.parentElement) o *= Number(getComputedStyle(at).opacity);
		return o;
	};
	const checkContrast = (e, colourText, what) => {
		const own = parse(colourText);
		const colour = [own[0], own[1], own[2], own[3] * opacity(e)];
		for (const background of backgrounds(e)) {
			const ratio = contrast(over(colour, background), background);
			if (ratio < 4.5) {
				problems.push(`contrast ${ratio.toFixed(2)} of ${what}, ${colourText} on rgb(${background.slice(0, 3).map(Math.round)}): ${name(e)}`);
				return;
			}
		}
	};
	const tiny = e => { const r = e.getBoundingClientRect(); return r.width <= 1 || r.height <= 1; };
	const seen = new Set();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const e = walker.currentNode.parentElement;
		if (!walker.currentNode.data.trim() || seen.has(e)) continue;
		seen.add(e);
		// Disabled controls are exempt, and a select paints its options itself.
		if (!visible(e) || tiny(e) || e.closest('script, style, noscript, template, option, :disabled, [aria-disabled=true], svg')) continue;
		checkContrast(e, getComputedStyle(e).color, 'text');
	}
	for (const e of document.querySelectorAll('input:not([type=hidden], [type=checkbox], [type=radio], [type=range]), select, textarea')) {
		if (!visible(e) || tiny(e) || e.disabled) continue;
		if (e.value) checkContrast(e, getComputedStyle(e).color, 'the value');
		if (e.placeholder) checkContrast(e, getComputedStyle(e, '::placeholder').color, 'the placeholder');
	}

	// Size: nothing wider than the screen, nothing too small for a finger.
	const wide = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, Math.round(visualViewport.width * visualViewport.scale));
	if (wide > width) {
		const culprits = [...document.body.querySelectorAll('*')].filter(e => visible(e) && e.getBoundingClientRect().right > width + 0.5);
		problems.push(`it is ${wide} pixels wide on a screen of ${width}: ${culprits.slice(0, 3).map(name).join(', ')}`);
	}
	if (matchMedia('(pointer: coarse)').matches) {
		// A label is hit in place of its box, and a link in a sentence is as high as its line.
		const targets = 'button, select, input:not([type=hidden], [type=checkbox], [type=radio]), summary, a[href], ' +
			'label:has([type=checkbox], [type=radio]), [role=button], [role=tab]';
		for (const e of document.querySelectorAll(targets)) {
			if (!visible(e) || tiny(e) || e.localName === 'a' && getComputedStyle(e).display === 'inline') continue;
			const r = e.getBoundingClientRect();
			if (r.height < finger || r.width < finger) {
				problems.push(`${Math.round(r.width)}x${Math.round(r.height)} is too small for a finger: ${name(e)}`);
			}
		}
	}
	return problems;
})
