# load.py
import csv

import openmessaging.blocking as oms
from intake import Form, app

with oms.connect(app.url) as access_point, access_point.create_producer(name="loader") as producer:
    with open("cdnow.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            form = Form(int(row["number"]), row["customer"], int(row["quantity"]), float(row["total"]))
            message = producer.create_message("forms", app.codec.encode(form))
            result = producer.send_once(message, sequence=form.number)
    print(f"form {form.number}:", "was there" if result.duplicate else "stored")
