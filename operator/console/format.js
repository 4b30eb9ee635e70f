// How the console writes numbers.

export function size(n) {
  let unit = 0;
  while (n >= 1024 && unit < 4) {
    n /= 1024;
    unit++;
  }
  return (unit === 0 ? Math.round(n) : n.toFixed(1)) + [" B", " KiB", " MiB", " GiB", " TiB"][unit];
}

export const count = (n) => n.toLocaleString("en", { maximumFractionDigits: n < 10 ? 1 : 0 });

export function seconds(s) {
  if (s < 60) return s.toFixed(s < 10 ? 1 : 0) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}

export const ago = (time) => seconds(Math.max(0, (Date.now() - Date.parse(time)) / 1000));

export const topic = (name) => name.replace(/^persistent:\/\//, "");
