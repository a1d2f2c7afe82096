// All is in the page without this; it only lets the figures answer.
const all = (css, root = document) => [...root.querySelectorAll(css)];
const one = (css, root = document) => root.querySelector(css);
const within = (index, list) => Math.min(list.length - 1, Math.max(0, Math.round(index)));
const on = (thing, types, act) => types.split(' ').forEach(type => thing.addEventListener(type, act));
const keys = (thing, known, act) => on(thing, 'keydown', e => {
  if (!known[e.key]) return;
  e.preventDefault();
  act(known[e.key]);
});
const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// The page's words; what is put into them stays in one piece, whichever way it runs.
const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => `\u2068${values[name]}\u2069`);

// The address keeps what a figure shows: #figure=state.
const remember = (id, state) => {
  try { history.replaceState(null, '', '#' + new URLSearchParams([[id, state]])); } catch { /* a sandboxed preview */ }
};

// One stop for Tab in many things; an arrow goes on to the nearest one that way.
const beside = (things, from, [down, right]) => {
  const start = from.getBoundingClientRect();
  let best = from, least = Infinity;
  things.forEach(to => {
    const box = to.getBoundingClientRect(), y = box.top - start.top, x = box.left - start.left;
    const along = y * down + x * right, cost = along + 9 * Math.abs(down ? x : y);
    if (along > 1 && cost < least) [best, least] = [to, cost];
  });
  return best;
};
const rove = (things, first, chosen) => {
  const enter = thing => {
    things.forEach(other => { other.tabIndex = other === thing ? 0 : -1; });
    chosen(thing);
  };
  things.forEach(thing => {
    on(thing, 'focus', () => enter(thing));
    keys(thing, arrows, way => beside(things, thing, way).focus());
  });
  enter(first);
  return thing => thing && enter(thing);
};

// Each kind of figure returns what restores a state from the address.
// A range moves all rows.
function steps(root, id) {
  const range = one('input', root), out = one('output', root);
  const names = range.dataset.steps.split(' '), last = names.at(-1);
  const show = () => {
    all('.tri > div', root).forEach(row => {
      const frames = all(':scope > span', row), value = one('p bdi', row);
      frames.forEach((frame, i) => frame.classList.toggle('on', i === +range.value));
      if (value) value.textContent = one('.lab bdi', frames[range.value]).textContent;
    });
    out.textContent = range.ariaValueText = fill(range.dataset.say, { step: names[range.value], last });
  };
  on(range, 'input', show);
  on(range, 'change', () => remember(id, names[range.value]));
  show();
  return state => { if (names.includes(state)) { range.value = names.indexOf(state); show(); } };
}

// An invisible range lies over the pair.
function wipe(root, id) {
  const pair = one('.wipe', root), range = one('input', pair);
  const label = one('.lab', pair).textContent;
  const show = () => {
    pair.style.setProperty('--x', range.value + '%');
    range.ariaValueText = fill(range.dataset.say, { share: range.value + '\u202f%', label });
  };
  on(range, 'input', show);
  on(range, 'change', () => remember(id, range.value));
  show();
  return state => { if (+state >= 0) { range.value = state; show(); } };
}

// The block nearest to the pointer, or moved by arrow keys; values are the table's.
function map(root, id) {
  const box = one('.block', root), out = one('.out', root);
  const cells = all('.values tbody tr', root).map(line => all('td', line));
  const { map, name, say, sayOther } = box.dataset;
  let [height, width, patch, stride, row, column] = map.split(' ').map(Number);
  const show = (r, c) => {
    if (isNaN(r + c)) return;
    row = within(r, cells);
    column = within(c, cells[0]);
    const top = row * stride, left = column * stride, cell = cells[row][column], { winner, winning } = cell.dataset;
    const { style } = one('.two', root);
    style.setProperty('--top', 100 * top / height + '%');
    style.setProperty('--left', 100 * left / width + '%');
    const said = fill(winner ? sayOther : say, {
      top, left, bottom: top + patch - 1, right: left + patch - 1, name, winner,
      value: cell.firstChild.data + '\u202f%', winning: winning + '\u202f%',
    });
    if (out.textContent !== said) out.textContent = said;
  };
  const keep = () => remember(id, row + '.' + column);
  const point = e => {
    const frame = e.currentTarget.getBoundingClientRect();
    show(((e.clientY - frame.top) / frame.height * height - patch / 2) / stride,
      ((e.clientX - frame.left) / frame.width * width - patch / 2) / stride);
    if (e.type !== 'pointermove') keep();
  };
  all('.occ', root).forEach(side => on(side, 'pointermove pointerdown', point));
  keys(box, arrows, ([down, right]) => { show(row + down, column + right); keep(); });
  show(row, column);
  return state => show(...state.split('.').map(parseFloat));
}

// A cell in words, with some of its pictures.
function matrix(root, id) {
  const table = one('.cm', root), out = one('.out', root), shelf = one('.cell', root);
  const heads = all('tbody th', table), lines = all('tbody tr', table).map(line => all('td', line));
  const { say, sayOther, first } = table.dataset;
  const at = place => { const [r, c] = place.split('.'); return lines[r]?.[c]; };
  const show = cell => {
    const r = lines.findIndex(line => line.includes(cell)), c = lines[r].indexOf(cell), place = r + '.' + c;
    out.textContent = fill(r === c ? say : sayOther, {
      count: cell.textContent, total: heads[r].dataset.total, row: heads[r].textContent, column: heads[c].textContent,
    });
    shelf?.replaceChildren(...all(`[data-cell="${place}"] img`, root).map(img => img.cloneNode()));
    return place;
  };
  table.role = 'grid';
  const enter = rove(lines.flat(), at(first), show);
  on(table, 'focusin', e => remember(id, show(e.target)));
  on(table, 'pointerover', e => { const cell = e.target.closest('tbody td'); if (cell) show(cell); });
  on(table, 'pointerleave', () => show(one('[tabindex="0"]', table)));
  return state => enter(at(state));
}

// The chosen tile is shown large, with its row of the table.
function wall(root, id) {
  const list = one('.tiles', root), panel = one('.panel', root), tiles = all('a', list);
  const [own, ...more] = all('img', panel), facts = all('dd bdi', panel), rows = all('.each tbody tr', root);
  const curve = one('.curve', panel);
  const put = (to, from) => { to.src = from.src; to.alt = from.alt; };
  const show = tile => {
    const row = rows[tiles.indexOf(tile)];
    tiles.forEach(other => { other.ariaSelected = other === tile; });
    one('b', panel).textContent = list.dataset.title.replace('{name}', tile.dataset.name);
    put(own, one('img', tile));
    all('img', row).forEach((img, i) => put(more[i], img));
    all('.n', row).forEach((cell, i) => { facts[i].textContent = cell.textContent; });
    curve?.replaceChildren(...all('.curve > *', row).map(part => part.cloneNode(true)));
  };
  list.role = 'listbox';
  list.ariaLabel = root.ariaLabel;
  tiles.forEach(tile => {
    tile.role = 'option';
    on(tile, 'click', e => { e.preventDefault(); tile.focus(); });
  });
  const enter = rove(tiles, tiles[0], show);
  on(list, 'focusin', e => remember(id, e.target.dataset.name));
  return state => enter(tiles.find(tile => tile.dataset.name === state));
}

const kinds = { steps, wipe, map, matrix, wall };
const figures = new Map(all('[data-live]').map(root => {
  const { live, kind } = root.dataset;
  return [live, { root, restore: kinds[kind]?.(root, live) }];
}));
const go = () => {
  const [[id, state] = []] = new URLSearchParams(location.hash.slice(1)), { root, restore } = figures.get(id) || {};
  if (!restore || !state) return;
  restore(state);
  root.scrollIntoView();
};
on(window, 'hashchange', go);
go();

// Pictures and drawings are enlarged by click or Enter; Escape closes.
const button = (thing, open) => {
  thing.role = 'button';
  thing.tabIndex = 0;
  keys(thing, { Enter: 1, ' ': 1 }, open);
};
const zoom = mediumZoom({ background: 'var(--paper)', margin: 16 });
all('[data-zoom]').forEach(group => {
  const imgs = all('img', group);
  imgs.forEach(img => {
    // As large as the window allows.
    Object.defineProperties(img, { naturalWidth: { value: 1e5 }, naturalHeight: { value: 1e5 } });
    zoom.attach(img);
    const open = () => zoom.open({ target: img });
    button(img, open);
    on(img, 'medium-zoom:closed', () => img.focus({ preventScroll: true }));
    // A pair lies under its range: its labels enlarge it.
    if (group.matches('.wipe')) on(img.nextElementSibling, 'click', open);
  });
  if (group.matches('table')) rove(imgs, imgs[0], () => {});
});
const large = document.body.appendChild(document.createElement('dialog'));
on(large, 'click', () => large.close());
all('.drawn').forEach(box => {
  const svg = one('svg', box);
  const open = () => {
    large.replaceChildren(svg.cloneNode(true));
    large.classList.toggle('wide', svg.clientWidth > svg.clientHeight);
    large.showModal();
  };
  button(box, open);
  box.ariaLabel = svg.ariaLabel;
  on(box, 'click', open);
});

// Tab stops only where there is something to scroll to.
const sizes = new ResizeObserver(seen => seen.forEach(({ target }) => {
  target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
}));
all('.scroll:not(.drawn),math[display=block]').forEach(box => sizes.observe(box));

// Contents: mark the section in view; close the folded list after a choice.
const watcher = new IntersectionObserver(seen => seen.forEach(({ isIntersecting, target }) => {
  if (isIntersecting) all('.toc a').forEach(a => { a.ariaCurrent = a.hash === '#' + target.id ? 'true' : null; });
}), { rootMargin: '-20% 0px -70%' });
all('main > [id]').forEach(part => watcher.observe(part));
on(one('.toc details'), 'click', e => { if (e.target.closest('a')) e.currentTarget.open = false; });
