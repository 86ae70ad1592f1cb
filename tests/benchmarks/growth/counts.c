/* Counts messages and bytes by MPI's profiling interface: preloaded, it stands before MPI and calls it by its other names.
 *
 * counts_part(k) begins part k of the program. At MPI_Finalize each rank writes COUNTS_FOLDER/<rank>.csv: lines of part,
 * function, calls, messages, bytes given, bytes got. A collective gives what the rank contributes and gets what it then
 * has; point to point, the one who sends counts. MPI inside of MPI is not seen: these are what programs ask for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#define PARTS 256
#define KINDS(X) X(Send) X(Isend) X(Start) X(Sendrecv) X(Bcast) X(Reduce) X(Allreduce) X(Reduce_scatter) X(Scan) X(Gather) \
  X(Allgather) X(Scatter) X(Alltoall) X(Neighbor_alltoall) X(Neighbor_allgather) X(Put) X(Get) X(Accumulate) X(Barrier)
enum { 
#define X(name) name,
KINDS(X)
#undef X
COUNT };
static const char *NAMES[] = {
#define X(name) #name,
KINDS(X)
#undef X
};
static struct { double calls, messages, given, got; } table[PARTS][COUNT];
static int part;

static void add(int kind, double messages, double given, double got) {
  table[part][kind].calls += 1, table[part][kind].messages += messages;
  table[part][kind].given += given, table[part][kind].got += got;
}
static double width(MPI_Datatype type) { int size = 0; if (type != MPI_DATATYPE_NULL) PMPI_Type_size(type, &size); return size; }
static int ranks(MPI_Comm c) { int n; PMPI_Comm_size(c, &n); return n; }
static int rank(MPI_Comm c) { int r; PMPI_Comm_rank(c, &r); return r; }
static double sum(const int n[], int k) { double s = 0; for (int i = 0; n && i < k; i++) s += n[i]; return s; }
static double some(const int n[], int k, int not) { double s = 0; for (int i = 0; i < k; i++) s += n[i] > 0 && i != not; return s; }
static void one(int kind, double n, MPI_Datatype t, int dest) { if (dest != MPI_PROC_NULL) add(kind, 1, n * width(t), 0); }
static void around(MPI_Comm c, int *in, int *out) {
  int weighted, kind = MPI_UNDEFINED; PMPI_Topo_test(c, &kind);
  if (kind == MPI_DIST_GRAPH) { PMPI_Dist_graph_neighbors_count(c, in, out, &weighted); return; }
  *in = *out = 0; if (kind == MPI_CART) { PMPI_Cartdim_get(c, in); *out = *in *= 2; }
}

void counts_part(int number) { if (number >= 0 && number < PARTS) part = number; }

/* one to one */
int MPI_Send(const void *b, int n, MPI_Datatype t, int d, int g, MPI_Comm c) { one(Send, n, t, d); return PMPI_Send(b, n, t, d, g, c); }
int MPI_Ssend(const void *b, int n, MPI_Datatype t, int d, int g, MPI_Comm c) { one(Send, n, t, d); return PMPI_Ssend(b, n, t, d, g, c); }
int MPI_Isend(const void *b, int n, MPI_Datatype t, int d, int g, MPI_Comm c, MPI_Request *r) { one(Isend, n, t, d); return PMPI_Isend(b, n, t, d, g, c, r); }
int MPI_Issend(const void *b, int n, MPI_Datatype t, int d, int g, MPI_Comm c, MPI_Request *r) { one(Isend, n, t, d); return PMPI_Issend(b, n, t, d, g, c, r); }
int MPI_Sendrecv(const void *b, int n, MPI_Datatype t, int d, int g, void *rb, int rn, MPI_Datatype rt, int s, int rg, MPI_Comm c, MPI_Status *st) {
  one(Sendrecv, n, t, d); return PMPI_Sendrecv(b, n, t, d, g, rb, rn, rt, s, rg, c, st); }

/* persistent: bytes are noted by request, and count when it is started */
#define KEPT 65536
static struct { MPI_Request request; double bytes; } kept[KEPT];
static size_t place(MPI_Request r) { return ((size_t)r >> 4) % KEPT; }
static void keep(MPI_Request r, double bytes) {
  for (size_t i = 0, k = place(r); i < KEPT; i++, k = (k + 1) % KEPT)
    if (!kept[k].request || kept[k].request == r) { kept[k].request = r, kept[k].bytes = bytes; return; }
}
static void started(MPI_Request r) {
  for (size_t i = 0, k = place(r); i < KEPT && kept[k].request; i++, k = (k + 1) % KEPT)
    if (kept[k].request == r) { if (kept[k].bytes >= 0) add(Start, 1, kept[k].bytes, 0); return; }
}
int MPI_Send_init(const void *b, int n, MPI_Datatype t, int d, int g, MPI_Comm c, MPI_Request *r) {
  int e = PMPI_Send_init(b, n, t, d, g, c, r); keep(*r, d == MPI_PROC_NULL ? -1 : n * width(t)); return e; }
int MPI_Recv_init(void *b, int n, MPI_Datatype t, int s, int g, MPI_Comm c, MPI_Request *r) {
  int e = PMPI_Recv_init(b, n, t, s, g, c, r); keep(*r, -1); return e; }
int MPI_Start(MPI_Request *r) { started(*r); return PMPI_Start(r); }
int MPI_Startall(int n, MPI_Request r[]) { for (int i = 0; i < n; i++) started(r[i]); return PMPI_Startall(n, r); }

/* all together */
static void count_bcast(int n, MPI_Datatype t, int root, MPI_Comm c) { double b = n * width(t); rank(c) == root ? add(Bcast, 0, b, 0) : add(Bcast, 0, 0, b); }
static void count_reduce(int n, MPI_Datatype t, int root, MPI_Comm c) { double b = n * width(t); rank(c) == root ? add(Reduce, 0, 0, b) : add(Reduce, 0, b, 0); }
static void both(int kind, int n, MPI_Datatype t) { double b = n * width(t); add(kind, 0, b, b); }
static void count_gather(double own, double all, int root, MPI_Comm c) { rank(c) == root ? add(Gather, 0, 0, all) : add(Gather, 0, own, 0); }
static void count_alltoall(int n, MPI_Datatype t, int m, MPI_Datatype u, MPI_Comm c) { int k = ranks(c); add(Alltoall, k - 1, k * n * width(t), k * m * width(u)); }
int MPI_Bcast(void *b, int n, MPI_Datatype t, int root, MPI_Comm c) { count_bcast(n, t, root, c); return PMPI_Bcast(b, n, t, root, c); }
int MPI_Ibcast(void *b, int n, MPI_Datatype t, int root, MPI_Comm c, MPI_Request *r) { count_bcast(n, t, root, c); return PMPI_Ibcast(b, n, t, root, c, r); }
int MPI_Reduce(const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, int root, MPI_Comm c) { count_reduce(n, t, root, c); return PMPI_Reduce(s, r, n, t, o, root, c); }
int MPI_Allreduce(const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c) { both(Allreduce, n, t); return PMPI_Allreduce(s, r, n, t, o, c); }
int MPI_Iallreduce(const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c, MPI_Request *q) { both(Allreduce, n, t); return PMPI_Iallreduce(s, r, n, t, o, c, q); }
int MPI_Scan(const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c) { both(Scan, n, t); return PMPI_Scan(s, r, n, t, o, c); }
int MPI_Exscan(const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c) { both(Scan, n, t); return PMPI_Exscan(s, r, n, t, o, c); }
int MPI_Reduce_scatter_block(const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c) {
  add(Reduce_scatter, 0, ranks(c) * n * width(t), n * width(t)); return PMPI_Reduce_scatter_block(s, r, n, t, o, c); }
int MPI_Reduce_scatter(const void *s, void *r, const int n[], MPI_Datatype t, MPI_Op o, MPI_Comm c) {
  add(Reduce_scatter, 0, sum(n, ranks(c)) * width(t), n[rank(c)] * width(t)); return PMPI_Reduce_scatter(s, r, n, t, o, c); }
int MPI_Gather(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, int root, MPI_Comm c) {
  count_gather(n * width(t), (double)ranks(c) * m * width(u), root, c); return PMPI_Gather(s, n, t, r, m, u, root, c); }
int MPI_Gatherv(const void *s, int n, MPI_Datatype t, void *r, const int m[], const int p[], MPI_Datatype u, int root, MPI_Comm c) {
  int mine = rank(c) == root; count_gather(mine ? 0 : n * width(t), mine ? sum(m, ranks(c)) * width(u) : 0, root, c);
  return PMPI_Gatherv(s, n, t, r, m, p, u, root, c); }
static void count_allgather(const void *s, int n, MPI_Datatype t, int m, MPI_Datatype u, MPI_Comm c) {
  add(Allgather, 0, s == MPI_IN_PLACE ? m * width(u) : n * width(t), (double)ranks(c) * m * width(u)); }
int MPI_Allgather(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c) {
  count_allgather(s, n, t, m, u, c); return PMPI_Allgather(s, n, t, r, m, u, c); }
int MPI_Iallgather(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c, MPI_Request *q) {
  count_allgather(s, n, t, m, u, c); return PMPI_Iallgather(s, n, t, r, m, u, c, q); }
int MPI_Allgatherv(const void *s, int n, MPI_Datatype t, void *r, const int m[], const int p[], MPI_Datatype u, MPI_Comm c) {
  add(Allgather, 0, s == MPI_IN_PLACE ? m[rank(c)] * width(u) : n * width(t), sum(m, ranks(c)) * width(u));
  return PMPI_Allgatherv(s, n, t, r, m, p, u, c); }
int MPI_Scatter(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, int root, MPI_Comm c) {
  if (rank(c) == root) add(Scatter, 0, (double)ranks(c) * n * width(t), 0); else add(Scatter, 0, 0, m * width(u));
  return PMPI_Scatter(s, n, t, r, m, u, root, c); }
int MPI_Scatterv(const void *s, const int n[], const int p[], MPI_Datatype t, void *r, int m, MPI_Datatype u, int root, MPI_Comm c) {
  if (rank(c) == root) add(Scatter, 0, sum(n, ranks(c)) * width(t), 0); else add(Scatter, 0, 0, m * width(u));
  return PMPI_Scatterv(s, n, p, t, r, m, u, root, c); }
int MPI_Alltoall(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c) {
  count_alltoall(n, t, m, u, c); return PMPI_Alltoall(s, n, t, r, m, u, c); }
int MPI_Alltoallv(const void *s, const int n[], const int p[], MPI_Datatype t, void *r, const int m[], const int q[], MPI_Datatype u, MPI_Comm c) {
  int k = ranks(c); add(Alltoall, some(n, k, rank(c)), sum(n, k) * width(t), sum(m, k) * width(u));
  return PMPI_Alltoallv(s, n, p, t, r, m, q, u, c); }

/* along the edges of a graph of ranks */
static void count_edges(MPI_Comm c, const int n[], MPI_Datatype t, const int m[], MPI_Datatype u) {
  int in, out; around(c, &in, &out); add(Neighbor_alltoall, some(n, out, -1), sum(n, out) * width(t), sum(m, in) * width(u)); }
static void count_edge(MPI_Comm c, int kind, int n, MPI_Datatype t, int m, MPI_Datatype u) {
  int in, out; around(c, &in, &out); add(kind, out, (double)out * n * width(t), (double)in * m * width(u)); }
int MPI_Neighbor_alltoall(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c) {
  count_edge(c, Neighbor_alltoall, n, t, m, u); return PMPI_Neighbor_alltoall(s, n, t, r, m, u, c); }
int MPI_Neighbor_alltoallv(const void *s, const int n[], const int p[], MPI_Datatype t, void *r, const int m[], const int q[], MPI_Datatype u, MPI_Comm c) {
  count_edges(c, n, t, m, u); return PMPI_Neighbor_alltoallv(s, n, p, t, r, m, q, u, c); }
int MPI_Ineighbor_alltoallv(const void *s, const int n[], const int p[], MPI_Datatype t, void *r, const int m[], const int q[], MPI_Datatype u, MPI_Comm c, MPI_Request *w) {
  count_edges(c, n, t, m, u); return PMPI_Ineighbor_alltoallv(s, n, p, t, r, m, q, u, c, w); }
int MPI_Neighbor_allgather(const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c) {
  count_edge(c, Neighbor_allgather, n, t, m, u); return PMPI_Neighbor_allgather(s, n, t, r, m, u, c); }

/* memory of others */
int MPI_Put(const void *b, int n, MPI_Datatype t, int d, MPI_Aint a, int m, MPI_Datatype u, MPI_Win w) { one(Put, n, t, d); return PMPI_Put(b, n, t, d, a, m, u, w); }
int MPI_Get(void *b, int n, MPI_Datatype t, int d, MPI_Aint a, int m, MPI_Datatype u, MPI_Win w) { add(Get, 1, 0, n * width(t)); return PMPI_Get(b, n, t, d, a, m, u, w); }
int MPI_Accumulate(const void *b, int n, MPI_Datatype t, int d, MPI_Aint a, int m, MPI_Datatype u, MPI_Op o, MPI_Win w) {
  one(Accumulate, n, t, d); return PMPI_Accumulate(b, n, t, d, a, m, u, o, w); }
int MPI_Fetch_and_op(const void *b, void *r, MPI_Datatype t, int d, MPI_Aint a, MPI_Op o, MPI_Win w) {
  one(Accumulate, 1, t, d); return PMPI_Fetch_and_op(b, r, t, d, a, o, w); }
int MPI_Barrier(MPI_Comm c) { add(Barrier, 0, 0, 0); return PMPI_Barrier(c); }
int MPI_Ibarrier(MPI_Comm c, MPI_Request *r) { add(Barrier, 0, 0, 0); return PMPI_Ibarrier(c, r); }

/* Processes on one machine do not read one another's memory here, so that reads are those of many machines. */
ssize_t process_vm_readv(pid_t p, const struct iovec *a, unsigned long n, const struct iovec *b, unsigned long m, unsigned long f) {
  (void)p, (void)a, (void)n, (void)b, (void)m, (void)f; errno = ENOSYS; return -1; }

/* MUMPS is in Fortran */
typedef MPI_Fint I;
#define T(t) PMPI_Type_f2c(*t)
#define C(c) PMPI_Comm_f2c(*c)
void pmpi_send_(void *, I *, I *, I *, I *, I *, I *), pmpi_isend_(void *, I *, I *, I *, I *, I *, I *, I *), pmpi_bcast_(void *, I *, I *, I *, I *, I *),
  pmpi_reduce_(void *, void *, I *, I *, I *, I *, I *, I *), pmpi_allreduce_(void *, void *, I *, I *, I *, I *, I *),
  pmpi_gather_(void *, I *, I *, void *, I *, I *, I *, I *, I *), pmpi_alltoall_(void *, I *, I *, void *, I *, I *, I *, I *),
  pmpi_barrier_(I *, I *);
void mpi_send_(void *b, I *n, I *t, I *d, I *g, I *c, I *e) { one(Send, *n, T(t), *d); pmpi_send_(b, n, t, d, g, c, e); }
void mpi_isend_(void *b, I *n, I *t, I *d, I *g, I *c, I *r, I *e) { one(Isend, *n, T(t), *d); pmpi_isend_(b, n, t, d, g, c, r, e); }
void mpi_bcast_(void *b, I *n, I *t, I *root, I *c, I *e) { count_bcast(*n, T(t), *root, C(c)); pmpi_bcast_(b, n, t, root, c, e); }
void mpi_reduce_(void *s, void *r, I *n, I *t, I *o, I *root, I *c, I *e) { count_reduce(*n, T(t), *root, C(c)); pmpi_reduce_(s, r, n, t, o, root, c, e); }
void mpi_allreduce_(void *s, void *r, I *n, I *t, I *o, I *c, I *e) { both(Allreduce, *n, T(t)); pmpi_allreduce_(s, r, n, t, o, c, e); }
void mpi_gather_(void *s, I *n, I *t, void *r, I *m, I *u, I *root, I *c, I *e) {
  count_gather(*n * width(T(t)), rank(C(c)) == *root ? (double)ranks(C(c)) * *m * width(T(u)) : 0, *root, C(c)); pmpi_gather_(s, n, t, r, m, u, root, c, e); }
void mpi_alltoall_(void *s, I *n, I *t, void *r, I *m, I *u, I *c, I *e) { count_alltoall(*n, T(t), *m, T(u), C(c)); pmpi_alltoall_(s, n, t, r, m, u, c, e); }
void mpi_barrier_(I *c, I *e) { add(Barrier, 0, 0, 0); pmpi_barrier_(c, e); }

int MPI_Finalize(void) {
  char path[4096]; const char *folder = getenv("COUNTS_FOLDER");
  snprintf(path, sizeof path, "%s/%d.csv", folder ? folder : ".", rank(MPI_COMM_WORLD));
  FILE *file = fopen(path, "w");
  for (int p = 0; file && p < PARTS; p++)
    for (int k = 0; k < COUNT; k++)
      if (table[p][k].calls)
        fprintf(file, "%d,%s,%.0f,%.0f,%.0f,%.0f\n", p, NAMES[k], table[p][k].calls, table[p][k].messages, table[p][k].given, table[p][k].got);
  if (file) fclose(file);
  return PMPI_Finalize();
}
