# test_system.py
import asyncio
import csv
import io

import openmessaging as oms
from accounts import spent
from dunning import Payment, payments
from intake import Form
from letters import printer
from shop import Invoice, Order
from system import app
from warehouse import Movement, Parcel

DAY = 86_400.0


def real_forms() -> list[Form]:
    with open("cdnow.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Form(int(row["number"]), row["customer"], int(row["quantity"]), float(row["total"])) for row in rows]


async def january(forms: list[Form], paper: io.StringIO) -> None:
    right = [form for form in forms if form.total > 0]  # four real customers paid nothing
    numbers = [form.number for form in right]
    async with oms.testing.TestApp(app, overrides={printer: lambda: paper}) as test:
        await test.send("movements", Movement("cd", 1000), key="cd")
        for form in forms:
            await app.send("forms", form)
        await test.settle()

        assert len(test.dead_letters("forms", "intake")) == len(forms) - len(right)
        assert [order.number for order in test.sent("orders", Order)] == numbers
        assert sorted(parcel.order for parcel in test.sent("parcels", Parcel)) == numbers
        assert len(test.sent("calls")) == sum(form.total >= 50 for form in right)
        assert len(paper.getvalue().splitlines()) == len(right)
        assert round(sum(spent.values()), 2) == round(sum(form.total for form in right), 2)

        for form in right[::2]:
            await payments.send(Payment(form.number, form.total), key=str(form.number))
        await test.advance(15 * DAY)
        assert {invoice.order for invoice in test.sent("cancelled", Invoice)} == set(numbers[1::2])

        level = await app.access_point.table("stock").get("cd")
        assert level is not None
        print(f"{len(right)} orders, {level.data.decode()} CDs left, {len(test.sent('cancelled'))} not paid")


def test_january_1997() -> None:
    asyncio.run(january(real_forms(), io.StringIO()))


if __name__ == "__main__":
    test_january_1997()
