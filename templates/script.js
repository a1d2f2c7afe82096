// Everything is in the page without this; it only lets the figures answer.
const all = (css, root = document) => [...root.querySelectorAll(css)];
const within = (index, list) => Math.min(list.length - 1, Math.max(0, Math.round(index)));
const on = (thing, types, act) => types.split(' ').forEach(type => thing.addEventListener(type, act));
const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Words come from the page, in its language; what is put into them stays in one piece, whichever way it runs.
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
    on(thing, 'keydown', e => {
      if (!arrows[e.key]) return;
      e.preventDefault();
      beside(things, thing, arrows[e.key]).focus();
    });
  });
  enter(first);
  return thing => thing && enter(thing);
};

// Each kind of figure makes itself answer, and returns what restores a state from the address.
const kinds = {
  // One range moves every row of frames.
  steps(root, id) {
    const range = root.querySelector('input'), out = root.querySelector('output');
    const names = range.dataset.steps.split(' '), last = names.at(-1);
    const show = () => {
      all('.tri > div', root).forEach(row => {
        const frames = all(':scope > span', row), value = row.querySelector('p bdi');
        frames.forEach((frame, i) => frame.classList.toggle('on', i === +range.value));
        if (value) value.textContent = frames[range.value].querySelector('.lab bdi').textContent;
      });
      out.textContent = range.ariaValueText = fill(range.dataset.say, { step: names[range.value], last });
    };
    on(range, 'input', show);
    on(range, 'change', () => remember(id, names[range.value]));
    show();
    return state => { if (names.includes(state)) { range.value = names.indexOf(state); show(); } };
  },

  // An invisible range lies over the pair.
  wipe(root, id) {
    const pair = root.querySelector('.wipe'), range = pair.querySelector('input');
    const label = pair.querySelector('.lab').textContent;
    const show = () => {
      pair.style.setProperty('--x', range.value + '%');
      range.ariaValueText = fill(range.dataset.say, { share: range.value + '\u202f%', label });
    };
    on(range, 'input', show);
    on(range, 'change', () => remember(id, range.value));
    show();
    return state => { if (+state >= 0) { range.value = state; show(); } };
  },

  // The block nearest to the pointer, or moved by the arrow keys; values are those of the table below.
  map(root, id) {
    const box = root.querySelector('.block'), out = root.querySelector('.out');
    const cells = all('.values tbody tr', root).map(line => all('td', line));
    const { map, name, say, sayOther } = box.dataset;
    let [height, width, patch, stride, row, column] = map.split(' ').map(Number);
    const show = (r, c) => {
      if (isNaN(r + c)) return;
      row = within(r, cells);
      column = within(c, cells[0]);
      const top = row * stride, left = column * stride, cell = cells[row][column], { winner, winning } = cell.dataset;
      const { style } = root.querySelector('.two');
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
    all('.occ', root).forEach(one => on(one, 'pointermove pointerdown', point));
    on(box, 'keydown', e => {
      const way = arrows[e.key];
      if (!way) return;
      e.preventDefault();
      show(row + way[0], column + way[1]);
      keep();
    });
    show(row, column);
    return state => show(...state.split('.').map(parseFloat));
  },

  // A cell in words, with some of its pictures.
  matrix(root, id) {
    const table = root.querySelector('.cm'), out = root.querySelector('.out'), shelf = root.querySelector('.cell');
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
    on(table, 'pointerleave', () => show(table.querySelector('[tabindex="0"]')));
    return state => enter(at(state));
  },

  // Many tiles; the chosen one is shown large, with its row of the table.
  wall(root, id) {
    const list = root.querySelector('.tiles'), panel = root.querySelector('.panel'), tiles = all('a', list);
    const [own, ...more] = all('img', panel), facts = all('dd bdi', panel), rows = all('.each tbody tr', root);
    const put = (to, from) => { to.src = from.src; to.alt = from.alt; };
    const show = tile => {
      const row = rows[tiles.indexOf(tile)];
      tiles.forEach(other => { other.ariaSelected = other === tile; });
      panel.querySelector('b').textContent = list.dataset.title.replace('{name}', tile.dataset.name);
      put(own, tile.querySelector('img'));
      all('img', row).forEach((img, i) => put(more[i], img));
      all('.n', row).forEach((cell, i) => { facts[i].textContent = cell.textContent; });
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
  },
};

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

// Pictures are enlarged by click or Enter; Escape closes.
if (window.mediumZoom) {
  const zoom = mediumZoom({ background: 'var(--paper)', margin: 16 });
  all('[data-zoom]').forEach(group => {
    const imgs = all('img', group);
    imgs.forEach(img => {
      // As large as the window allows.
      Object.defineProperties(img, { naturalWidth: { value: 1e5 }, naturalHeight: { value: 1e5 } });
      img.role = 'button';
      img.tabIndex = 0;
      zoom.attach(img);
      const open = () => zoom.open({ target: img });
      on(img, 'keydown', e => {
        if (e.key !== 'Enter' && e.key !== ' ') return;
        e.preventDefault();
        open();
      });
      on(img, 'medium-zoom:closed', () => img.focus({ preventScroll: true }));
      // A pair lies under its range: its labels enlarge it.
      if (group.matches('.wipe')) on(img.nextElementSibling, 'click', open);
    });
    if (group.matches('table')) rove(imgs, imgs[0], () => {});
  });
}

// Tab stops only where there is something to scroll to.
const sizes = new ResizeObserver(seen => seen.forEach(({ target }) => {
  target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
}));
all('.scroll,math[display=block]').forEach(box => sizes.observe(box));

// Contents: mark the section in view; close the folded list after a choice.
const links = new Map(all('.toc a').map(a => [a.hash.slice(1), a]));
const watcher = new IntersectionObserver(seen => seen.forEach(({ isIntersecting, target }) => {
  if (isIntersecting) links.forEach((a, id) => { a.ariaCurrent = id === target.id ? 'true' : null; });
}), { rootMargin: '-20% 0px -70%' });
links.forEach((_, id) => { const part = document.getElementById(id); if (part) watcher.observe(part); });
on(document.querySelector('.toc details'), 'click', e => { if (e.target.closest('a')) e.currentTarget.open = false; });
