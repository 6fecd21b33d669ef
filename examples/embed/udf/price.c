/* The guest of udf.c: functions that a user of the database has defined. */

#define EXPORT(name) __attribute__((export_name(name)))

EXPORT("with_tax") long long with_tax(long long cents, int percent)
{
    return cents + cents * percent / 100;
}

EXPORT("share") int share(int cents, int heads)
{
    return cents / heads;
}

/* An aggregate: its state is the instance's. */
static long long sum;
static long long rows;

EXPORT("average_step") void average_step(long long cents)
{
    sum += cents;
    rows++;
}

EXPORT("average") double average(void)
{
    return rows ? (double)sum / (double)rows : 0;
}
