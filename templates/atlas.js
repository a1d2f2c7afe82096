// One of the page's sections is shown, by the address: none, #layer, #layer/unit, #layer/unit,layer/unit. What the files of a layer and of a unit
// say becomes text and attributes only: no HTML is made of strings.
const all = (css, root = document) => [...root.querySelectorAll(css)];
const one = (css, root = document) => root.querySelector(css);
const make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
// A name or number that is kept in one piece, left to right.
const bdi = text => make('bdi', { dir: 'ltr' }, text);
const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => `\u2068${values[name]}\u2069`);
const onward = document.dir === 'rtl' ? -1 : 1;

const known = new Map(JSON.parse(one('[type="application/json"]').textContent).map(layer => [layer.name, layer]));
const [home, layerView, unitView, lost] = all('main > section');
const title = document.title;

const isDrawn = (layer, unit) => layer.drawn.some(([first, last]) => first <= unit && unit <= last);
const file = (layer, unit, kind) => `${layer.folder}/${unit}.${kind}`;
const partOf = ({ layer, unit }) => encodeURIComponent(layer.name).replaceAll('%2F', '/') + (unit === undefined ? '' : '/' + unit);
const addressOf = (layer, unit) => '#' + partOf({ layer, unit });
const nameOf = (layer, unit) => unit === undefined ? layer.name : `${layer.name}/${unit}`;

// {layer, unit} of a text; a layer's name may have slashes. undefined: there is none.
const readOne = text => {
  if (known.has(text)) return { layer: known.get(text) };
  const [, name, unit] = /^(.*)\/(\d{1,9})$/s.exec(text) || [];
  const layer = known.get(name);
  return layer && isDrawn(layer, +unit) ? { layer, unit: +unit } : undefined;
};
// Likewise, and {beside}, a unit that it is shown beside; a layer's name may have commas.
const read = text => {
  const single = readOne(text);
  if (single) return single;
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) {
    const beside = readOne(text.slice(0, at)), place = readOne(text.slice(at + 1));
    if (beside?.unit !== undefined && place?.unit !== undefined) return { ...place, beside };
  }
  return undefined;
};
const here = () => {
  const text = location.hash.slice(1);
  try { return decodeURIComponent(text); } catch { return text; }
};

// A file's one call of `atlas` answers whoever asked for the file. Only the page's own files can be asked for.
const policy = window.trustedTypes?.createPolicy('atlas', {
  createScriptURL: url => {
    if (/^page\/[a-z0-9-]+\/(layer|\d+)\.js$/.test(url)) return url;
    throw new TypeError(url);
  },
});
const asked = new Map();
const answers = new Map();
window.atlas = value => answers.get(document.currentScript)?.(value);
const load = url => {
  if (!asked.has(url)) {
    if (asked.size > 64) asked.delete(asked.keys().next().value);
    asked.set(url, new Promise((resolve, reject) => {
      const script = make('script', { src: policy ? policy.createScriptURL(url) : url });
      answers.set(script, resolve);
      script.onload = script.onerror = () => {
        answers.delete(script);
        script.remove();
        reject(new Error(url)); // nothing happens if the file has answered
      };
      document.head.append(script);
    }));
    asked.get(url).catch(() => asked.delete(url));
  }
  return asked.get(url);
};

const image = (layer, src, alt = '') => make('img', { src, alt, decoding: 'async', className: layer.squares ? 'px' : '' });

// The wall: a block's tiles are there while it is near the window, and those of the block with the tile that Tab reaches.
const BLOCK = 24; // by which every number of columns divides (atlas.css)
const list = one('.wall'), sort = one('select'), turned = one('[type=checkbox]');
const wall = { layer: null, units: [], order: [], said: [], current: 0 };
const emptyBlock = block => { if (+block.dataset.from !== wall.current - wall.current % BLOCK) block.replaceChildren(); };
const watcher = new IntersectionObserver(
  seen => seen.forEach(({ isIntersecting, target }) => (isIntersecting ? fillBlock : emptyBlock)(target)),
  { rootMargin: '150% 0%' },
);
const fillBlock = block => {
  if (block.firstChild) return;
  const from = +block.dataset.from;
  block.append(...wall.order.slice(from, from + BLOCK).map((at, i) => {
    const unit = wall.units[at], said = wall.said[at];
    const words = make('span', {}, bdi(unit), ...said ? [' ', make('small', {}, bdi(said))] : []);
    const tile = make('a', { href: addressOf(wall.layer, unit) }, image(wall.layer, file(wall.layer, unit, 'webp')), words);
    tile.dataset.at = from + i;
    tile.tabIndex = from + i === wall.current ? 0 : -1;
    return tile;
  }));
};
// Tab reaches one tile of the wall.
const mark = index => {
  all('[tabindex="0"]', list).forEach(tile => { tile.tabIndex = -1; });
  wall.current = index;
  const block = list.children[Math.floor(index / BLOCK)];
  if (!block) return null;
  fillBlock(block);
  const tile = block.children[index % BLOCK];
  tile.tabIndex = 0;
  return tile;
};
const focusTile = (index, block) => {
  const tile = mark(index);
  tile?.focus({ preventScroll: true });
  tile?.scrollIntoView({ block });
};
const build = (layer, data) => {
  const { order = [], said = [] } = data.orders[sort.value] || { order: data.units.keys() };
  const first = [...order], placed = new Set(first);
  if (turned.checked) first.reverse();
  // Units that have no such number come last, whichever way round.
  Object.assign(wall, { layer, units: data.units, said, current: 0 });
  wall.order = first.concat([...data.units.keys()].filter(at => !placed.has(at)));
  watcher.disconnect();
  list.replaceChildren();
  for (let from = 0; from < wall.order.length; from += BLOCK) {
    const block = make('div');
    block.dataset.from = from;
    block.style.setProperty('--k', Math.min(BLOCK, wall.order.length - from));
    list.append(block);
    watcher.observe(block);
  }
};
const prepared = async layer => {
  const data = await load(`${layer.folder}/layer.js`);
  if (wall.layer === layer) return;
  all('option', sort).forEach(option => { option.hidden = option.disabled = option.value !== '' && !data.orders[option.value]; });
  if (one(':checked', sort)?.disabled) sort.value = '';
  build(layer, data);
};
const rebuild = async () => {
  build(wall.layer, await load(`${wall.layer.folder}/layer.js`));
  mark(0);
};
sort.addEventListener('change', rebuild);
turned.addEventListener('change', rebuild);
list.addEventListener('focusin', e => {
  const at = e.target.closest('[data-at]')?.dataset.at;
  if (at !== undefined && +at !== wall.current) mark(+at);
});
list.addEventListener('keydown', e => {
  const columns = +getComputedStyle(list).getPropertyValue('--n');
  const step = { ArrowLeft: -onward, ArrowRight: onward, ArrowUp: -columns, ArrowDown: columns }[e.key];
  const to = { Home: 0, End: wall.order.length - 1 }[e.key] ?? wall.current + step;
  if (isNaN(to) || e.ctrlKey || e.metaKey || e.altKey) return;
  e.preventDefault();
  if (to >= 0 && to < wall.order.length) focusTile(to, 'nearest');
});

const showLayer = async ({ layer }) => {
  await prepared(layer);
  return () => {
    one('h1 bdi', layerView).textContent = layer.name;
    const about = all(':scope > li', one('.layers')).find(item => item.id === layer.name);
    one('.about', layerView).replaceChildren(...[...one('.about', about).children].map(child => child.cloneNode(true)));
    mark(wall.current);
    list.ariaLabel = fill(layerView.dataset.say, { layer: layer.name });
    return layerView;
  };
};

// A unit of any layer with its picture, if it is in the atlas.
const linked = ({ layer: name, unit, said }) => {
  const layer = known.get(name), there = layer && isDrawn(layer, unit);
  const called = bdi(''); // a line breaks between the words of a name and before the unit's number, not within them
  called.append(...`${name}/`.split(/(?<=[/_.-])/).flatMap(word => [word, make('wbr')]), String(unit));
  const words = make('span', {}, called, make('small', {}, bdi(said ?? '')));
  if (!there) return make('span', { className: 'absent' }, words);
  const picture = image(layer, file(layer, unit, 'webp'));
  picture.loading = 'lazy';
  return make('a', { href: addressOf(layer, unit) }, picture, words);
};
const sides = one('.sides', unitView), sheet = sides.firstElementChild.cloneNode(true);
const showUnit = async ({ layer, unit, beside }) => {
  const both = [...beside ? [beside] : [], { layer, unit }];
  const [, ...data] = await Promise.all([prepared(layer), ...both.map(each => load(file(each.layer, each.unit, 'js')))]);
  return () => {
    const at = wall.order.findIndex(place => wall.units[place] === unit);
    wall.current = at;
    [['.before', at - 1], ['.after', at + 1]].forEach(([css, place]) => {
      const link = one(css, unitView), other = wall.units[wall.order[place]];
      link.hidden = other === undefined;
      if (link.hidden) return;
      link.href = addressOf(layer, other);
      one('bdi', link).textContent = other;
    });
    const up = one('.up', unitView);
    up.href = addressOf(layer);
    up.textContent = fill(layerView.dataset.say, { layer: layer.name });
    keepButton.hidden = beside !== undefined;
    said.textContent = '';
    sides.replaceChildren(...both.map(() => sheet.cloneNode(true)));
    const longest = both.every(each => each.layer === layer) ? Math.max(...data.map(each => each.largest)) : 0;
    both.forEach((each, i) => fillSheet(sides.children[i], each, data[i], longest ? data[i].largest / longest : 1));
    return unitView;
  };
};
const fillSheet = (view, { layer, unit }, data, length) => {
  const name = nameOf(layer, unit);
  one('h1 bdi', view).textContent = name;
  one('.drawings', view).replaceChildren(...data.drawings.map((drawing, i) => {
    const alt = fill(unitView.dataset.drawing, { number: i + 1, unit: name });
    const picture = image(layer, drawing.picture ?? file(layer, unit, 'webp'), alt);
    const save = make('a', { href: picture.src, download: `${name.replace(/[^\p{L}\p{N}_.-]+/gu, '-')}-${i + 1}.webp` }, unitView.dataset.save);
    save.setAttribute('aria-label', fill(unitView.dataset.saveOne, { number: i + 1, unit: name }));
    return make('figure', {}, picture, make('figcaption', {}, fill(unitView.dataset.activation, { value: drawing.said ?? '–' }), ' ', save));
  }));
  all('.bars tr', view).forEach(row => {
    const bar = data.bars.find(each => row.className === each.name);
    row.hidden = !bar;
    if (!bar) return;
    one('i', row).style.inlineSize = bar.share * length + '%';
    one('.n', row).textContent = bar.said;
  });
  all('.facts dd', view).forEach(fact => {
    const words = data.facts[fact.className];
    fact.hidden = fact.previousElementSibling.hidden = words === null;
    fact.replaceChildren(bdi(words ?? ''));
  });
  one('.agreed', view).hidden = data.facts.agreement === null;
  one('.exemplars > div', view).replaceChildren(...data.exemplars.map(each => {
    const alt = fill(unitView.dataset.patch, { unit: name, picture: each.name });
    return make('figure', {}, image(layer, each.picture, alt), make('figcaption', {},
      make('bdi', {}, each.name), make('small', {}, bdi(`${each.said ?? '–'} (${each.row}, ${each.column})`))));
  }));
  const lacks = [];
  ['exemplars', 'incoming', 'outgoing', 'neighbours'].forEach(part => {
    const box = one('.' + part, view);
    box.hidden = data[part].length === 0;
    if (box.hidden) lacks.push(one('h2', box).textContent);
    if (part !== 'exemplars') one('.links', box).replaceChildren(...data[part].map(linked));
  });
  const lack = one('.lacks', view);
  lack.hidden = lacks.length === 0;
  one('span', lack).textContent = lacks.join('; ') + '.';
};

// The link of what is shown, and the unit that those that are chosen next are shown beside.
const copyLink = one('.copy', unitView), keepButton = one('.keep', unitView), said = one('[aria-live]', unitView), keptLine = one('.kept');
copyLink.hidden = !navigator.clipboard;
copyLink.addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    said.textContent = copyLink.dataset.say;
  } catch { said.textContent = location.href; }
});
let kept;
const keep = place => {
  kept = place;
  keptLine.hidden = !kept;
  if (kept) one('span', keptLine).textContent = fill(keptLine.dataset.say, { unit: nameOf(kept.layer, kept.unit) });
};
keepButton.addEventListener('click', () => {
  keep({ layer: shown.layer, unit: shown.unit });
  location.hash = addressOf(shown.layer);
});
one('button', keptLine).addEventListener('click', () => {
  keep();
  if (shown?.beside) location.hash = addressOf(shown.layer, shown.unit);
});
const showHome = () => () => home;
const showLost = () => () => {
  one('bdi', lost).textContent = here();
  return lost;
};

let turn = 0, shown;
const go = async () => {
  const mine = ++turn, place = here() === '' ? {} : read(here());
  if (place?.beside) keep(place.beside);
  else if (kept && place?.unit !== undefined && (place.layer !== kept.layer || place.unit !== kept.unit)) {
    place.beside = kept;
    history.replaceState(null, '', `#${partOf(kept)},${partOf(place)}`);
  }
  const show = !place ? showLost : place.unit !== undefined ? showUnit : place.layer ? showLayer : showHome;
  const ready = await Promise.resolve(show(place)).catch(showLost);
  if (mine !== turn) return; // another address came meanwhile
  const view = ready(), first = shown === undefined, before = shown;
  [home, layerView, unitView, lost].forEach(section => { section.hidden = section !== view; });
  document.documentElement.classList.remove('waiting');
  document.title = [...view === home ? [] : [all('h1', view).map(heading => heading.textContent).join(', ')], title].join(' – ');
  shown = place;
  scrollTo(0, 0);
  if (view === layerView && before?.layer === place.layer && before.unit !== undefined) {
    focusTile(wall.current, 'center');
  } else if (view === home && before?.layer) {
    const link = all('.layers h2 a').find(each => each.hash === addressOf(before.layer));
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: 'center' });
  } else if (!first && document.activeElement !== find) {
    all('h1', view).at(-1).focus({ preventScroll: true });
  }
};

// Search: layers by a part of the name, units by number, both with a slash between.
const search = one('form'), find = one('input', search), found = one('ul', search), count = one('p', search);
const results = text => {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const layers = [...known.values()], has = part => layer => layer.name.toLowerCase().includes(part);
  const places = layers.filter(has(wanted)).map(layer => ({ layer }));
  const [, name = '', digits] = /^(?:(.*?)[/\s]+)?(\d{1,9})$/s.exec(wanted) || [];
  if (digits) {
    const those = layers.filter(has(name)).filter(layer => isDrawn(layer, +digits));
    places.push(...those.sort((a, b) => (b === shown?.layer) - (a === shown?.layer)).map(layer => ({ layer, unit: +digits })));
  }
  const exact = places.findIndex(({ layer, unit }) => nameOf(layer, unit).toLowerCase() === wanted);
  if (exact > 0) places.unshift(...places.splice(exact, 1));
  return places;
};
const showResults = () => {
  const places = results(find.value);
  found.replaceChildren(...places.slice(0, 12).map(({ layer, unit }) => make('li', {}, make('a', { href: addressOf(layer, unit) },
    ...unit === undefined ? [] : [image(layer, file(layer, unit, 'webp'))], bdi(nameOf(layer, unit))))));
  const { none, say } = search.dataset;
  count.textContent = find.value.trim() === '' ? '' : places.length ? fill(say, { count: places.length }) : none;
};
const closeResults = () => { found.replaceChildren(); count.textContent = ''; };
const endSearch = () => { find.value = ''; closeResults(); };
const outside = thing => thing && !search.contains(thing);
find.addEventListener('input', showResults);
find.addEventListener('focus', showResults);
search.addEventListener('focusout', e => { if (outside(e.relatedTarget)) closeResults(); });
document.addEventListener('pointerdown', e => { if (outside(e.target)) closeResults(); });
search.addEventListener('submit', e => {
  e.preventDefault();
  one('a', found)?.click();
});
found.addEventListener('click', e => {
  if (!e.target.closest('a')) return;
  endSearch();
  find.blur();
});
search.addEventListener('keydown', e => {
  const stops = [find, ...all('a', found)], at = stops.indexOf(document.activeElement);
  const to = stops[at + { ArrowDown: 1, ArrowUp: -1 }[e.key]];
  if (!to) return;
  e.preventDefault();
  to.focus();
});

// Those who speak to the machine, or whose keyboards slip, can turn the one key without another off (WCAG 2.1.4).
const slash = one('footer input');
try {
  slash.checked = localStorage.getItem('atlas-slash') !== 'off';
  slash.addEventListener('change', () => localStorage.setItem('atlas-slash', slash.checked ? 'on' : 'off'));
} catch { /* a browser that keeps nothing: it is asked again on the next visit */ }
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
  const typing = e.target.closest('input, select');
  if (e.key === 'Escape') {
    if (search.contains(e.target)) {
      endSearch();
      find.blur();
    } else if (e.target === sort) return;
    else if (shown?.layer) location.hash = shown.unit === undefined ? '' : addressOf(shown.layer);
    else if (!shown) location.hash = '';
  } else if (e.key === '/' && slash.checked && !typing) {
    e.preventDefault();
    find.focus();
    find.select();
  } else if (!typing && !unitView.hidden && (e.key === 'ArrowLeft' || e.key === 'ArrowRight')) {
    const link = one((e.key === 'ArrowRight') === (onward === 1) ? '.after' : '.before', unitView);
    if (!link.hidden) location.hash = link.hash;
  }
});
// Printing takes what is there.
addEventListener('beforeprint', () => all(':scope > div', list).forEach(fillBlock));
// Without a script these lead to the plain pages.
all('.layers > li').forEach(item => {
  const layer = known.get(item.id);
  one('h2 a', item).href = addressOf(layer);
  all('.strip a', item).forEach(tile => { tile.href = addressOf(layer, +tile.textContent); });
});
history.scrollRestoration = 'manual';
addEventListener('hashchange', go);
go();
