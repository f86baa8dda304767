/* Loops over lists that Python spends most of its time with, in C.
 *
 * Each has a twin in Python that gives the same, to the last bit, and is used where this
 * was not built (see minispark/kernels/native.py, which says what each function promises).
 * Hashing a key, or its type, may run a user's code: items are held while it runs, and
 * sizes are looked at again after it.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>

#if SIZEOF_VOID_P != 8
#error "hashes have 63 bits"
#endif
#if FLT_EVAL_METHOD != 0
#error "numbers must be rounded to doubles after each operation, as Python's are"
#endif

static int
check_count(const char *name, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments, got %zd", name, wanted, given);
    return -1;
}

static int
check_list(const char *name, PyObject *object)
{
    if (PyList_Check(object)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() needs lists, got %s", name, Py_TYPE(object)->tp_name);
    return -1;
}

/* The number of hands, each of which must be a list; -1 with an error set. */
static Py_ssize_t
check_hands(const char *name, PyObject *hands)
{
    if (check_list(name, hands) < 0) {
        return -1;
    }
    Py_ssize_t number = PyList_GET_SIZE(hands);
    for (Py_ssize_t i = 0; i < number; i++) {
        if (check_list(name, PyList_GET_ITEM(hands, i)) < 0) {
            return -1;
        }
    }
    if (number == 0) {
        PyErr_Format(PyExc_ValueError, "%s() needs at least one hand", name);
        return -1;
    }
    return number;
}

/* How a key is hashed: types whose `hash` counts, and whether None, floats and tuples do. */
typedef struct {
    PyObject *kinds;
    int others;
    PyTypeObject *last;
} Rule;

#define MAX_DEPTH 50

/* The portable hash of a key (see minispark.kernels.hashing): 1 if it was found, 0 if the rule
 * does not know the key, -1 with an error set. */
static int
portable_hash(PyObject *key, Rule *rule, int depth, Py_hash_t *hash)
{
    PyTypeObject *kind = Py_TYPE(key);
    if (kind != rule->last) {
        if (rule->others && key == Py_None) {
            *hash = 0;
            return 1;
        }
        if (rule->others && PyTuple_CheckExact(key)) {
            uint64_t mixed = 0x345678;
            if (depth == MAX_DEPTH) {
                return 0;
            }
            for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) {
                Py_hash_t one;
                int found = portable_hash(PyTuple_GET_ITEM(key, i), rule, depth + 1, &one);
                if (found != 1) {
                    return found;
                }
                mixed = ((mixed ^ (uint64_t)one) * 1000003) & INT64_MAX;
            }
            *hash = (Py_hash_t)(mixed ^ (uint64_t)PyTuple_GET_SIZE(key));
            return 1;
        }
        if (rule->others && PyFloat_CheckExact(key)) {
            double value = PyFloat_AS_DOUBLE(key);
            *hash = value == value ? PyObject_Hash(key) : 0;
            return 1;
        }
        int found = PySet_Contains(rule->kinds, (PyObject *)kind);
        if (found != 1) {
            return found;
        }
        rule->last = kind;
    }
    *hash = PyObject_Hash(key);
    return *hash == -1 ? -1 : 1;
}

static int
check_rule(const char *name, const Rule *rule)
{
    if (rule->others < 0) {
        return -1;
    }
    if (PyAnySet_Check(rule->kinds)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() needs a set of types, got %s", name,
                 Py_TYPE(rule->kinds)->tp_name);
    return -1;
}

/* Appends to one of the lists, which are looked at again: a hash may have run any code. */
static int
append_to(PyObject *hands, Py_ssize_t place, PyObject *item)
{
    if (place >= PyList_GET_SIZE(hands)) {
        PyErr_SetString(PyExc_RuntimeError, "the hands changed while keys were dealt");
        return -1;
    }
    PyObject *hand = PyList_GET_ITEM(hands, place);
    Py_INCREF(hand);
    int failed = PyList_Append(hand, item);
    Py_DECREF(hand);
    return failed;
}

/* The hash modulo a number, as Python has it. */
static Py_ssize_t
place_of(Py_hash_t hash, Py_ssize_t number)
{
    Py_ssize_t place = (Py_ssize_t)(hash % number);
    return place < 0 ? place + number : place;
}

static PyObject *
native_scatter(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("scatter", count, 6) < 0) {
        return NULL;
    }
    PyObject *keys = args[0], *values = args[1], *key_hands = args[2], *value_hands = args[3];
    Rule rule = {args[4], PyObject_IsTrue(args[5]), NULL};
    if (check_list("scatter", keys) < 0 || check_list("scatter", values) < 0
        || check_rule("scatter", &rule) < 0) {
        return NULL;
    }
    Py_ssize_t number = check_hands("scatter", key_hands);
    if (number < 0 || check_hands("scatter", value_hands) < 0) {
        return NULL;
    }
    if (PyList_GET_SIZE(value_hands) != number
        || PyList_GET_SIZE(keys) != PyList_GET_SIZE(values)) {
        PyErr_SetString(PyExc_ValueError, "scatter() needs as many values as keys");
        return NULL;
    }
    Py_ssize_t i;
    for (i = 0; i < PyList_GET_SIZE(keys) && i < PyList_GET_SIZE(values); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i), *value = PyList_GET_ITEM(values, i);
        Py_INCREF(key);
        Py_INCREF(value);
        Py_hash_t hash = 0;
        int found = portable_hash(key, &rule, 0, &hash);
        Py_ssize_t place = place_of(hash, number);
        int failed = found < 0
                     || (found && (append_to(key_hands, place, key) < 0
                                   || append_to(value_hands, place, value) < 0));
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed) {
            return NULL;
        }
        if (!found) {
            break;
        }
    }
    return PyLong_FromSsize_t(i);
}

static PyObject *
native_deal(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("deal", count, 4) < 0) {
        return NULL;
    }
    PyObject *keys = args[0], *hands = args[1];
    Rule rule = {args[2], PyObject_IsTrue(args[3]), NULL};
    if (check_list("deal", keys) < 0 || check_rule("deal", &rule) < 0) {
        return NULL;
    }
    Py_ssize_t number = check_hands("deal", hands);
    if (number < 0) {
        return NULL;
    }
    Py_ssize_t i;
    for (i = 0; i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        Py_INCREF(key);
        Py_hash_t hash = 0;
        int found = portable_hash(key, &rule, 0, &hash);
        int failed = found < 0 || (found && append_to(hands, place_of(hash, number), key) < 0);
        Py_DECREF(key);
        if (failed) {
            return NULL;
        }
        if (!found) {
            break;
        }
    }
    return PyLong_FromSsize_t(i);
}

/* Appends a value to the list of its key, which is made where it is missing. */
static int
group_one(PyObject *table, PyObject *key, PyObject *value)
{
    PyObject *group = PyDict_GetItemWithError(table, key);
    if (group != NULL) {
        Py_INCREF(group);
    }
    else {
        if (PyErr_Occurred()) {
            return -1;
        }
        group = PyList_New(0);
        if (group == NULL) {
            return -1;
        }
        if (PyDict_SetItem(table, key, group) < 0) {
            Py_DECREF(group);
            return -1;
        }
    }
    int failed = check_list("group", group) < 0 || PyList_Append(group, value) < 0;
    Py_DECREF(group);
    return failed ? -1 : 0;
}

static PyObject *
native_group(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("group", count, 3) < 0) {
        return NULL;
    }
    PyObject *table = args[0], *keys = args[1], *values = args[2];
    if (!PyDict_Check(table)) {
        PyErr_SetString(PyExc_TypeError, "group() needs a dict");
        return NULL;
    }
    if (check_list("group", keys) < 0 || check_list("group", values) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys) && i < PyList_GET_SIZE(values); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i), *value = PyList_GET_ITEM(values, i);
        Py_INCREF(key);
        Py_INCREF(value);
        int failed = group_one(table, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
native_keep(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("keep", count, 2) < 0) {
        return NULL;
    }
    PyObject *table = args[0], *keys = args[1];
    if (!PyDict_Check(table)) {
        PyErr_SetString(PyExc_TypeError, "keep() needs a dict");
        return NULL;
    }
    if (check_list("keep", keys) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        Py_INCREF(key);
        PyObject *kept = PyDict_SetDefault(table, key, Py_None);
        Py_DECREF(key);
        if (kept == NULL) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
native_merge_numbers(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (check_count("merge_numbers", count, 7) < 0) {
        return NULL;
    }
    PyObject *values = args[0];
    if (check_list("merge_numbers", values) < 0) {
        return NULL;
    }
    Py_ssize_t i = PyLong_AsSsize_t(args[1]);
    if (i < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "merge_numbers() starts at a position");
        }
        return NULL;
    }
    double state[5];
    for (int j = 0; j < 5; j++) {
        state[j] = PyFloat_AsDouble(args[j + 2]);
        if (state[j] == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
    }
    double n = state[0], mu = state[1], m2 = state[2], high = state[3], low = state[4];
    for (; i < PyList_GET_SIZE(values); i++) {
        PyObject *item = PyList_GET_ITEM(values, i);
        double value;
        if (PyFloat_CheckExact(item)) {
            value = PyFloat_AS_DOUBLE(item);
        }
        else if (PyLong_CheckExact(item)) {
            value = PyLong_AsDouble(item);
            if (value == -1.0 && PyErr_Occurred()) {
                return NULL;
            }
        }
        else {
            break;
        }
        /* In this order, and without contraction (see setup.py): the last bits count. */
        double delta = value - mu;
        n += 1.0;
        mu += delta / n;
        m2 += delta * (value - mu);
        if (!(high >= value) && high == high) {
            high = value;
        }
        if (!(low <= value) && low == low) {
            low = value;
        }
    }
    return Py_BuildValue("nddddd", i, n, mu, m2, high, low);
}

static PyMethodDef methods[] = {
    {"scatter", (PyCFunction)(void (*)(void))native_scatter, METH_FASTCALL, NULL},
    {"deal", (PyCFunction)(void (*)(void))native_deal, METH_FASTCALL, NULL},
    {"group", (PyCFunction)(void (*)(void))native_group, METH_FASTCALL, NULL},
    {"keep", (PyCFunction)(void (*)(void))native_keep, METH_FASTCALL, NULL},
    {"merge_numbers", (PyCFunction)(void (*)(void))native_merge_numbers, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "minispark.kernels._native",
    .m_doc = "C twins of hot loops; see minispark.kernels.native.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
