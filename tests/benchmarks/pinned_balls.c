/* The collisions of particles/_collisions.py in C: the same streams and formulas, the limit for the numba kernel. */
#include <math.h>
#include <stdint.h>

#define BLOCK 512

typedef struct { uint32_t site[BLOCK]; double across[BLOCK], along[BLOCK]; } draws;

static inline void half_circle(double t, double *cosine, double *sine) {
  double y = t * 1.57079632679489661923, z = y * y;
  double s = y + y * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03
    + z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06
    + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  double c = 1.0 - 0.5 * z + z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03
    + z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07
    + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
  *cosine = 1.0 - 2.0 * s * s;
  *sine = 2.0 * s * c;
}

static inline void decode(draws *d, int j, uint64_t high, uint64_t low, uint64_t choices) {
  uint64_t product = low * choices, word = high * choices + (product >> 32);
  double c, s;
  d->site[j] = 2 * (1 + (uint32_t)(word >> 32)) + (uint32_t)((word >> 31) & 1);
  half_circle((double)(int64_t)((word << 33) | ((product & 0xFFFFFFFFu) << 1)) * 0x1p-64, &c, &s);
  d->across[j] = c * 0.40824829046386301637;
  d->along[j] = s * 0.23570226039551584147;
}

static void draw(draws *d, uint64_t first, uint64_t run, uint64_t key0, uint64_t key1, uint64_t choices) {
  for (int j = 0; j < BLOCK / 2; j++) {
    uint64_t counter = first + j, c0 = (uint32_t)counter, c1 = counter >> 32, c2 = run, c3 = 0, k0 = key0, k1 = key1;
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) {
      uint64_t p0 = 0xD2511F53u * c0, p1 = 0xCD9E8D57u * c2;
      c0 = (p1 >> 32) ^ c1 ^ k0;
      c1 = p1 & 0xFFFFFFFFu;
      c2 = (p0 >> 32) ^ c3 ^ k1;
      c3 = p0 & 0xFFFFFFFFu;
      k0 = (k0 + 0x9E3779B9u) & 0xFFFFFFFFu;
      k1 = (k1 + 0xBB67AE85u) & 0xFFFFFFFFu;
    }
    decode(d, j, c0, c1, choices);
    decode(d, j + BLOCK / 2, c2, c3, choices);
  }
}

void advance(double *v, int64_t n, int64_t steps, uint64_t run, uint64_t key0, uint64_t key1) {
  draws d;
  for (int64_t t = 0; t < steps; t += BLOCK) {
    draw(&d, t / 2, run, key0, key1, n - 2);
    int64_t end = steps - t < BLOCK ? steps - t : BLOCK;
    for (int64_t j = 0; j < end; j++) {
      int64_t x = d.site[j] >> 1, pair = d.site[j] & 1;
      double a = v[x - 1], b = v[x], c = v[x + 1], middle = (a + b + c) * (1.0 / 3.0);
      double d1 = a - b, d2 = b - c, d3 = a - c, r = sqrt(d1 * d1 + d2 * d2 + d3 * d3);
      v[x - 1 + pair] = middle - r * (d.across[j] + d.along[j]);
      v[x + pair] = middle + r * (d.across[j] - d.along[j]);
      v[x + 1 - 2 * pair] = middle + 2.0 * r * d.along[j];
    }
  }
}
